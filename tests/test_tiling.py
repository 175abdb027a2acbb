import importlib
import itertools

import keras
import numpy as np
import pytest

import n2n_tf
from n2n_tf.inference import Denoiser
from n2n_tf.inference.tiling import padded_part, spans, tile_shape
from n2n_tf.networks import dncnn, unet

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    """A small U-Net whose far pixels matter: all kernels as large as the signal can bear."""
    network = unet(3, 4, seed=0)
    for weight in network.weights:
        if "bias" in weight.name:
            weight.assign(RNG.normal(0, 0.1, weight.shape))
    network.get_layer("nin_c").kernel.assign(RNG.normal(0, 0.5, (1, 1, 8, 3)))
    return network


def test_spans_cover_an_axis_once_with_a_halo_or_an_end_on_each_side():
    for length, side, halo in itertools.product(range(32, 1200, 32), range(96, 700, 32), (0, 32)):
        found = spans(length, side, halo)
        assert [span.first for span in found] == [0, *(span.last for span in found[:-1])]
        assert found[-1].last == length
        for span in found:
            assert span.first < span.last
            assert span.stop - span.start == min(side, length)
            assert span.start == 0 or span.first - span.start >= halo
            assert span.stop == length or span.stop - span.last >= halo
            assert not span.start % 32


def test_the_tile_is_the_cheapest_that_fits():
    def cost(height, width, rows, columns):
        return len(spans(height, rows, 64)) * len(spans(width, columns, 64)) * rows * columns

    sizes = [(640, 960, 160 * 160), (640, 960, 90_000), (320, 3200, 200_000), (1600, 224, 60_000), (640, 960, 10**6)]
    for (height, width, most), longest in itertools.product(sizes, (None, 160, 416, 928)):
        if not longest and height * width <= most:
            continue
        rows, columns = tile_shape(height, width, 32, 64, most, longest)
        candidates = [
            (r, c)
            for r in {*range(160, height, 32), height}
            for c in {*range(160, width, 32), width}
            if r * c <= most and max(r, c) <= (longest or height + width)
        ]
        assert (rows, columns) in candidates
        assert cost(height, width, rows, columns) == min(cost(height, width, *each) for each in candidates)
    assert tile_shape(640, 960, 32, 64, 640 * 960) == (640, 960)
    assert tile_shape(640, 960, 32, 64, 640 * 960, 960) == (640, 960)


def test_a_padded_part_is_part_of_the_padded():
    for height, width in [(1, 1), (40, 33), (300, 517)]:
        image = RNG.random((height, width, 3))
        down, right = -height % 32, -width % 32
        whole = np.pad(image, ((0, down), (0, right), (0, 0)), "reflect")
        for rows in spans(height + down, 160, 64):
            for columns in spans(width + right, 160, 64):
                part = whole[rows.start : rows.stop, columns.start : columns.stop]
                np.testing.assert_array_equal(padded_part(image, rows, columns), part)


SIZES = [(600, 500), (353, 1001), (289, 288), (1, 700), (901, 33)]


@pytest.mark.parametrize("size", SIZES)
def test_tiles_give_what_the_whole_gives(network, size):
    image = RNG.random((*size, 3), np.float32)
    whole, tiled = Denoiser(network, memory=100), Denoiser(network, tile=288)
    assert len(whole._grid(*size, image.nbytes)) == 1
    assert len(tiled._grid(*size, image.nbytes)) > 1
    done = []
    np.testing.assert_allclose(tiled(image, done.append), whole(image), rtol=0, atol=1e-5)
    assert sum(done) == size[0] * size[1]


def test_a_smaller_overlap_would_show(network):
    image = RNG.random((600, 500, 3), np.float32)
    tiled = Denoiser(network, tile=288)
    tiled.halo = 96
    assert np.abs(tiled(image) - Denoiser(network, memory=100)(image)).max() > 1e-5


def test_the_memory_budget_makes_tiles_of_its_size(network):
    image = RNG.integers(0, 255, (700, 900, 3), np.uint8)
    whole = Denoiser(network, memory=100)(image)
    small = Denoiser(network, memory=0.68)
    grid = small._grid(700, 900, image.nbytes)
    pixels = max((r.stop - r.start) * (c.stop - c.start) for r, c in grid)
    assert len(grid) > 1
    assert pixels * small.footprint.floats_per_pixel * 4 * 1.9 < 0.03e9
    assert np.abs(small(image).astype(int) - whole).max() <= 1  # a rounding of the last digit may turn over


def test_too_little_memory_says_how_much_is_needed(network):
    with pytest.raises(ValueError, match=r"memory 0\.5 GB: this image needs at least 0\.\d GB"):
        Denoiser(network, memory=0.5)(np.zeros((2000, 2000, 3), np.uint8))
    with pytest.raises(ValueError, match=r"memory 0\.66 GB: this image needs at least 0\.7 GB"):  # the smallest tile
        Denoiser(network, memory=0.66)(np.zeros((400, 400, 3), np.uint8))


@pytest.mark.parametrize("tile", [64, 300, 0, -288])
def test_a_tile_that_cannot_be_is_refused(network, tile):
    with pytest.raises(ValueError, match=f"tile {tile}: wanted a multiple of 32, at least 288"):
        Denoiser(network, tile=tile)


def test_ensemble_is_the_mean_over_flips_and_rotations(network):
    image = RNG.random((64, 96, 3), np.float32)
    turned = [(k, mirror) for k in range(4) for mirror in (False, True)]

    def forward(array, k, mirror):
        return np.rot90(np.fliplr(array) if mirror else array, k)

    def backward(array, k, mirror):
        array = np.rot90(array, -k)
        return np.fliplr(array) if mirror else array

    each = [backward(np.asarray(network(forward(image, *t)[None]))[0], *t) for t in turned]
    assert np.abs(each[0] - each[1]).max() > 1e-3  # they differ
    np.testing.assert_allclose(n2n_tf.denoise(network, image, ensemble=True), np.mean(each, axis=0), atol=1e-5)


def test_an_ensemble_in_tiles_gives_what_the_whole_gives(network):
    image = RNG.random((333, 361, 3), np.float32)  # tiles with neighbours on all sides
    whole = n2n_tf.denoise(network, image, ensemble=True, memory=100)
    np.testing.assert_allclose(n2n_tf.denoise(network, image, ensemble=True, tile=288), whole, rtol=0, atol=1e-5)


def test_sizes_share_one_trace():
    traces = []
    image = keras.Input((None, None, 3))
    counted = keras.layers.Lambda(lambda image: traces.append(1) or image)(image)
    denoiser = Denoiser(keras.Model(image, counted))
    before = len(traces)
    for size in [(1, 1), (32, 64), (33, 100), (2, 64, 64), (200, 40)]:
        denoiser(np.zeros((*size, 3), np.uint8))
    assert len(traces) == before + 1


def test_many_of_them_are_no_reason_to_warn(caplog, monkeypatch):
    """TensorFlow took the traces of several networks for one that is traced again and again."""
    functions = importlib.import_module("tensorflow.python.eager.polymorphic_function.polymorphic_function")
    monkeypatch.setattr(functions, "FREQUENT_TRACING_WARNING_MAX_WARNING_PER_DETECTOR", 1000)  # others had theirs
    image = keras.Input((None, None, 1))
    for width in range(1, 9):
        network = keras.Model(image, keras.layers.Conv2D(1, width, padding="same")(image))
        assert n2n_tf.denoise(network, np.ones((32, 32), np.float32)).shape == (32, 32)
    assert "retracing" not in caplog.text


def test_weights_that_change_are_used(network):
    image = RNG.random((32, 32, 3), np.float32)
    clone = keras.models.clone_model(network)
    denoiser = Denoiser(clone)
    before = denoiser(image)
    clone.set_weights(network.get_weights())
    assert np.abs(denoiser(image) - before).max() > 1e-3
    np.testing.assert_array_equal(denoiser(image), Denoiser(network)(image))


def test_a_network_that_changes_the_size_is_refused():
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="it makes 384×384 pixels of 192×192"):
        Denoiser(keras.Model(image, keras.layers.UpSampling2D(2)(image)))


def test_a_network_of_unknown_reach_is_used_whole_and_says_so(caplog):
    image = keras.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    network = keras.Model(image, keras.layers.Add()([image, mean]))
    noisy = RNG.random((40, 70, 3), np.float32)
    assert Denoiser(network)(noisy).shape == noisy.shape
    assert "images are denoised whole" in caplog.text
    with pytest.raises(ValueError, match="tile 320: tiles would leave seams, since the receptive field of layer"):
        Denoiser(network, tile=320)


@pytest.mark.parametrize(
    ("shape", "outputs"), [((None, None, 3), 1), ((64, 64, 3), 3), ((None, 3), 3), ((None, None, None, 3), 3)]
)
def test_a_network_that_is_no_denoiser_is_refused(shape, outputs):
    image = keras.Input(shape)
    with pytest.raises(ValueError, match=r"wanted a network that takes and gives \(None, None, None, channels\)"):
        Denoiser(keras.Model(image, keras.layers.Dense(outputs)(image)))


def test_a_reach_between_multiples_of_the_cell_is_covered():
    """DnCNN reaches 17 pixels, which is more than half of the 32 that are shared, and less than all."""
    network = dncnn(1, 2, init="default", seed=0)
    for weight in network.weights:
        if "kernel" in weight.name:
            weight.assign(RNG.normal(0, 0.5, weight.shape))
    image = RNG.random((130, 200, 1), np.float32)
    tiled = Denoiser(network, tile=96)
    assert (tiled.halo, len(tiled._grid(130, 200, image.nbytes)) > 1) == (32, True)
    whole = Denoiser(network, memory=100)(image)
    np.testing.assert_allclose(tiled(image), whole, rtol=0, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("tile", [None, 96, 192])
def test_poolings_that_do_not_divide_32_stay_aligned(tile):
    """Means of 3×3 pixels; where the image ends inside such a cell, reflection fills it."""
    image = keras.Input((None, None, 1))
    blocks = keras.layers.UpSampling2D(3)(keras.layers.AveragePooling2D(3)(image))
    noisy = RNG.random((128, 250, 1), np.float32)
    padded = np.pad(noisy, ((0, 1), (0, 2), (0, 0)), "reflect")
    means = padded.reshape(43, 3, 84, 3).mean(axis=(1, 3))
    expected = np.repeat(np.repeat(means, 3, 0), 3, 1)[:128, :250, None]
    np.testing.assert_allclose(Denoiser(keras.Model(image, blocks), tile=tile)(noisy), expected, rtol=0, atol=1e-6)
