import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.sampling import draw_choice, neighbor_pairs, shape_of, sub_sample

RNG = np.random.default_rng(0)


def slow_sub_sample(image, choice, k=2):
    """The paper's three steps as loops."""
    batch, rows, columns = choice.shape
    subs = np.empty((2, batch, rows, columns, image.shape[-1]), image.dtype)
    for b, i, j in np.ndindex(batch, rows, columns):
        cell = image[b, i * k : i * k + k, j * k : j * k + k].reshape(k * k, -1)
        for which, pixel in enumerate(neighbor_pairs(k)[choice[b, i, j]]):
            subs[which, b, i, j] = cell[pixel]
    return subs


def test_equals_the_authors_code(reference):
    case = np.load(reference / "sampler.npz")
    np.testing.assert_array_equal(neighbor_pairs(), case["pairs"])
    sub1, sub2 = sub_sample(tf.constant(case["image"]), tf.constant(case["choice"], tf.int32))
    np.testing.assert_array_equal(sub1, case["sub1"])
    np.testing.assert_array_equal(sub2, case["sub2"])


@pytest.mark.parametrize("k", [2, 3, 4])
def test_pairs_are_distinct_neighbors_of_one_cell(k):
    pairs = neighbor_pairs(k)
    assert len(pairs) == len({tuple(pair) for pair in pairs}) == 4 * k * (k - 1)
    (rows1, columns1), (rows2, columns2) = (divmod(pairs[:, i], k) for i in range(2))
    assert ((pairs >= 0) & (pairs < k * k)).all()
    np.testing.assert_array_equal(abs(rows1 - rows2) + abs(columns1 - columns2), 1)


def test_the_pairs_of_the_papers_cells_come_in_the_authors_order():
    assert neighbor_pairs().tolist() == [[0, 1], [0, 2], [1, 3], [2, 3], [1, 0], [2, 0], [3, 1], [3, 2]]


def test_a_cell_of_one_pixel_has_no_neighbors():
    with pytest.raises(ValueError, match="at least 2"):
        neighbor_pairs(1)


@pytest.mark.parametrize(
    ("shape", "k"),
    [((2, 8, 12, 3), 2), ((1, 7, 9, 1), 2), ((3, 2, 2, 5), 2), ((2, 10, 13, 3), 3), ((1, 64, 32, 4), 4)],
)
def test_equals_the_loop_at_odd_sizes_and_any_channels(shape, k):
    image = RNG.random(shape, np.float32)
    choice = draw_choice(shape, [1, 2], k).numpy()
    assert choice.shape == (shape[0], shape[1] // k, shape[2] // k)
    np.testing.assert_array_equal(sub_sample(tf.constant(image), choice, k), slow_sub_sample(image, choice, k))


@pytest.mark.parametrize("dtype", [np.uint16, np.float64, np.float16])
def test_keeps_the_dtype(dtype):
    image = RNG.random((1, 4, 6, 2)).astype(dtype)
    assert sub_sample(tf.constant(image), draw_choice(image.shape, [0, 0]))[0].dtype == dtype


def test_an_image_smaller_than_a_cell_gives_nothing():
    image = tf.zeros([2, 1, 5, 3])
    assert sub_sample(image, draw_choice(image.shape, [0, 0]))[0].shape == (2, 0, 2, 3)


def test_runs_the_same_eager_in_graph_under_xla_and_in_a_dataset():
    image = tf.constant(RNG.random((2, 10, 14, 3), np.float32))

    def both(image):
        return tf.stack(sub_sample(image, draw_choice(shape_of(image), [3, 4])))

    eager = both(image)
    unknown = tf.TensorSpec([None, None, None, 3])
    np.testing.assert_array_equal(tf.function(both)(image), eager)
    np.testing.assert_array_equal(tf.function(both, input_signature=[unknown])(image), eager)
    np.testing.assert_array_equal(tf.function(both, jit_compile=True)(image), eager)
    (mapped,) = tf.data.Dataset.from_tensors(image).map(both)
    np.testing.assert_array_equal(mapped, eager)


def chi_square(choice):
    counts = np.bincount(np.ravel(choice), minlength=8)
    return (np.square(counts - counts.mean()) / counts.mean()).sum()


def test_every_pair_is_drawn_as_often_and_the_seed_decides():
    shape = (4, 200, 200)
    choice = draw_choice(shape, [5, 6])
    bound = 24.3  # chi-square of 7 degrees of freedom, exceeded once in a thousand seeds
    assert chi_square(choice) < bound
    assert chi_square(np.minimum(choice, 6)) > bound  # the check notices a pair that is never drawn
    np.testing.assert_array_equal(choice, draw_choice(shape, [5, 6]))
    # another seed, and another cell, is independent: equal once in eight
    for other in (draw_choice(shape, [5, 7]).numpy(), np.roll(choice, 1, axis=1), np.roll(choice, 1, axis=2)):
        equal, n = np.mean(choice == other), choice.numpy().size
        assert abs(equal - 1 / 8) < 5 * np.sqrt(1 / 8 * 7 / 8 / n)


@pytest.mark.parametrize(("k", "pairs"), [(2, 8), (3, 24), (4, 48)])
def test_every_pair_of_a_cell_is_drawn(k, pairs):
    choice = draw_choice((4, 40 * k, 40 * k), [1, 2], k)
    assert set(np.ravel(choice)) == set(range(pairs))


def test_sides_that_are_known_are_plain_numbers():
    """Of a shape in a graph, where XLA and the shapes of results depend on it."""
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([None, 10, 14, 3])])
    def note(image):
        seen.append(shape_of(image))
        return seen[-1][0]

    assert note(tf.zeros([2, 10, 14, 3])) == 2
    assert (seen[0][1:], tf.is_tensor(seen[0][0])) == ([10, 14, 3], True)
