import contextlib
import copy
import inspect
import itertools
import json
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.methods import GammaRamp, Neighbor2Neighbor
from n2n_tf.networks import unet
from n2n_tf.sampling import draw_choice, neighbor_pairs
from tests.runs import ROOT, two_layers
from tests.seeded import seeded

RNG = np.random.default_rng(0)


def scale_network(factor=0.5):
    """f(y) = factor·y: losses and gradients can be written down."""
    image = keras.Input((None, None, 1))
    scale = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(factor))
    return keras.Model(image, scale(image))


class Compared(Neighbor2Neighbor):
    """With the reference's sub-sampler instead of a drawn one."""

    choice: tf.Tensor

    def _draw(self, noisy):
        return self.choice


def compared(network, case):
    model = Compared(network, gamma=float(case["gamma"]))
    model.choice = tf.constant(case["choice"], tf.int32)
    return model, case


@pytest.fixture
def reference_case(authors_unet, reference):
    return compared(authors_unet("unet_random.pth"), np.load(reference / "unet.npz"))


def gradients_of(model, noisy):
    """The two terms, and the gradients of the loss by variable, as Keras names them."""
    with tf.GradientTape() as tape:
        reconstruction, regularizer, _ = model.loss_terms(tf.constant(noisy), model.choice)
        loss = reconstruction + model.gamma * regularizer
    names = [f"{layer.name}/{kind}" for layer in model.network.layers if layer.weights for kind in ("kernel", "bias")]
    gradients = tape.gradient(loss, model.network.trainable_variables)
    return reconstruction, regularizer, dict(zip(names, gradients, strict=True))


def far_from(gradients, case):
    """The largest relative difference of their norms from those of the authors' code."""
    norms = {}
    for variable in case["grad_names"]:
        layer, kind = variable.replace(".deconv", "").split(".")
        norms[variable] = tf.norm(gradients[f"{layer}/{'kernel' if kind == 'weight' else 'bias'}"])
    assert len(gradients) == len(norms) == 50
    return max(abs(norms[name] / norm - 1) for name, norm in zip(norms, case["grad_norms"], strict=True))


@pytest.mark.parametrize("name", ["seeded", "random"])  # the first on a plain clone too
def test_loss_terms_and_all_gradients_equal_the_authors_code(name, request):
    """The gradient jumps, by up to 5e-4, where rounding puts a value on the other side of a LeakyReLU's kink, which
    differs between machines: then it must be that of an input which differs by rounding."""
    model, case = compared(*seeded("unet")) if name == "seeded" else request.getfixturevalue("reference_case")
    reconstruction, regularizer, gradients = gradients_of(model, case["noisy"])
    np.testing.assert_allclose(reconstruction, case["reconstruction"], rtol=1e-5)
    np.testing.assert_allclose(regularizer, case["regularizer"], rtol=1e-5)
    found = [far_from(gradients, case)]
    random = np.random.default_rng(0)
    while found[-1] > 1e-5 and len(found) < 40:
        rounding = random.uniform(-3e-7, 3e-7, case["noisy"].shape)
        *_, gradients = gradients_of(model, np.float32(case["noisy"] * (1 + rounding)))
        found.append(far_from(gradients, case))
    assert found[0] < 1e-3
    assert found[-1] <= 1e-5, found
    if name == "random":
        first = gradients["enc_conv0/kernel"].numpy().transpose(3, 2, 0, 1)
        expected = case["grad_enc_conv0_weight"]
        np.testing.assert_allclose(first, expected, atol=1e-5 * np.abs(expected).max())


def adam_losses(model, noisy, epsilon_at):
    losses = []
    for step in range(1, 6):
        model.optimizer.epsilon = epsilon_at(step)
        logs = model.train_on_batch(noisy, return_dict=True)
        losses.append([logs["reconstruction"], logs["regularizer"]])
        model.reset_metrics()
    return np.array(losses)


@pytest.mark.parametrize(
    ("epsilon_at", "tolerance"),
    [(lambda step: 1e-8 * np.sqrt(1 - 0.999**step), 1e-4), (lambda step: 1e-8, 1e-3)],
    ids=["PyTorch's epsilon", "the paper preset's 1e-8"],
)
def test_five_adam_steps_equal_the_authors_code(reference_case, reference, epsilon_at, tolerance):
    """PyTorch adds epsilon after the bias correction, Keras before it: 1e-8 there is smaller here in early steps."""
    model, case = reference_case
    model.compile(optimizer=keras.optimizers.Adam(3e-4), run_eagerly=True)
    losses = adam_losses(model, case["noisy"], epsilon_at)
    expected = np.load(reference / "adam_5_steps_losses.npy")
    print("largest relative difference", np.abs(losses / expected - 1).max())
    np.testing.assert_allclose(losses, expected, rtol=tolerance)


def hand_computed(noisy, choice, factor, gamma):
    """Equation 7 for f(y) = factor·y, in NumPy; and its derivative, with f(y) held constant in the regularizer."""
    first, second = np.empty((2, *choice.shape))
    for b, i, j in np.ndindex(choice.shape):
        cell = noisy[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, 0].ravel()
        first[b, i, j], second[b, i, j] = cell[neighbor_pairs()[choice[b, i, j]]]
    difference = factor * first - second
    corrected = difference - factor * (first - second)
    loss = np.mean(difference**2), np.mean(corrected**2)
    return *loss, 2 * np.mean(difference * first) + gamma * 2 * np.mean(corrected * first)


@pytest.mark.parametrize("shape", [(2, 6, 10, 1), (1, 7, 5, 1)])
def test_loss_and_gradient_by_hand(shape):
    """The gradient is that of a constant f(y): one through f(y) would change it."""
    noisy, factor, gamma = RNG.random(shape, np.float32), 0.7, 1.5
    model = Neighbor2Neighbor(scale_network(factor), gamma)
    choice = draw_choice(shape, [1, 1])
    with tf.GradientTape() as tape:
        reconstruction, regularizer, denoised = model.loss_terms(tf.constant(noisy), choice)
        loss = reconstruction + gamma * regularizer
    gradient = tape.gradient(loss, model.network.trainable_variables[0])
    expected = hand_computed(noisy, choice.numpy(), factor, gamma)
    actual = [float(reconstruction), float(regularizer), gradient.numpy().item()]
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_allclose(denoised, factor * noisy, rtol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_training_step_goes_down_the_gradient_of_both_terms(scaled):
    """Also where an optimizer for half precision makes the loss larger, and the gradients smaller again."""
    noisy, factor, gamma = RNG.random((2, 6, 10, 1), np.float32), 0.7, 1.5
    model = Neighbor2Neighbor(scale_network(factor), gamma, seed=3)
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer=keras.mixed_precision.LossScaleOptimizer(optimizer) if scaled else optimizer)
    logs = model.train_on_batch(noisy, return_dict=True)
    choice = draw_choice(noisy.shape, [3, 0]).numpy()
    reconstruction, regularizer, gradient = hand_computed(noisy, choice, factor, gamma)
    assert float(logs["loss"]) == pytest.approx(reconstruction + gamma * regularizer, rel=1e-5)
    assert model.network.get_weights()[0].item() == pytest.approx(factor - 0.1 * gradient, rel=1e-5)


def test_no_gradient_through_the_denoised_image():
    model = Neighbor2Neighbor(scale_network())
    noisy = tf.constant(RNG.random((1, 8, 8, 1), np.float32))
    with tf.GradientTape() as tape:
        _, _, denoised = model.loss_terms(noisy, draw_choice(noisy.shape, [0, 0]))
    assert tape.gradient(denoised, model.network.trainable_variables) == [None]


def test_the_denoised_image_is_made_as_at_inference_and_the_pair_as_in_training():
    """Batch normalization tells: moving means of 0 and 1 leave the image as it is, those of the batch do not."""
    image = keras.Input((None, None, 1))
    normalized = keras.layers.BatchNormalization(momentum=0.0, epsilon=1e-6)(image)
    model = Neighbor2Neighbor(keras.Model(image, keras.layers.Dropout(0.5)(normalized)))
    noisy = RNG.random((2, 8, 12, 1), np.float32) + 3
    choice = draw_choice(noisy.shape, [0, 0])
    _, _, denoised = model.loss_terms(tf.constant(noisy), choice)
    np.testing.assert_allclose(denoised, noisy, rtol=1e-5)
    first = [noisy[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, 0].ravel()[neighbor_pairs()[choice[b, i, j]][0]]
             for b, i, j in np.ndindex(*choice.shape)]  # fmt: skip
    moving_mean = model.network.layers[1].moving_mean
    np.testing.assert_allclose(np.asarray(moving_mean), [np.mean(first)], rtol=1e-6)  # of that pass, and no later one


def trained_weights(network=two_layers, clean=False, steps=3, **compile_arguments):
    model = Neighbor2Neighbor(network(3, 4, "default", 0), gamma=GammaRamp(2.0, epochs=3, steps_per_epoch=1), seed=5)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), **compile_arguments)
    images = np.random.default_rng(1).random((steps, 2, 64, 128, 3), np.float32)
    data = (images, images[::-1]) if clean else images
    history = model.fit(tf.data.Dataset.from_tensor_slices(data), verbose=0, shuffle=False).history
    return np.concatenate([w.ravel() for w in model.network.get_weights()]), history


def test_eager_graph_xla_and_clean_images_train_the_same():
    weights, history = trained_weights(jit_compile=False)
    assert set(history) == {"gamma", "loss", "reconstruction", "regularizer"}
    assert history["gamma"] == pytest.approx([(2 / 3 + 4 / 3 + 2) / 3])
    np.testing.assert_array_equal(trained_weights(jit_compile=False)[0], weights)
    with_clean, clean_history = trained_weights(clean=True, jit_compile=False)
    np.testing.assert_array_equal(with_clean, weights)
    assert "psnr" in clean_history
    np.testing.assert_allclose(trained_weights(run_eagerly=True)[0], weights, atol=2e-4)  # Adam magnifies rounding
    graph, xla = (trained_weights(unet, jit_compile=jit_compile)[0] for jit_compile in (False, True))
    np.testing.assert_allclose(xla, graph, atol=2e-4)


def test_psnr_is_that_of_the_denoised_image():
    model = Neighbor2Neighbor(scale_network(1.0))
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    clean = np.full((4, 8, 8, 1), 0.5, np.float32)
    noisy = clean + np.array([0.1, -0.1, 0.01, 0.2], np.float32)[:, None, None, None]
    logs = model.evaluate(noisy, clean, verbose=0, return_dict=True)
    assert float(logs["psnr"]) == pytest.approx(np.mean([20, 20, 40, -20 * np.log10(0.2)]), abs=1e-3)
    assert float(logs["loss"]) == pytest.approx(0, abs=1e-6)  # neighbors are equal, and the network is the identity


def test_any_image_size_and_psnr_only_with_clean_images():
    """Sizes unknown to the graph; one model evaluated with and without clean images."""
    model = Neighbor2Neighbor(scale_network(0.9))
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    images = [RNG.random((1, 8, width, 1), np.float32) for width in (8, 16, 12)]
    unknown = tf.TensorSpec([None, None, None, 1])
    noisy = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=unknown)
    assert set(model.fit(noisy, verbose=0).history) == {"loss", "reconstruction", "regularizer", "gamma"}
    with_clean = model.evaluate(noisy.map(lambda image: (image, image)), verbose=0, return_dict=True)
    assert float(with_clean["psnr"]) == pytest.approx(
        np.mean([-10 * np.log10(np.mean(np.square(model(image) - image))) for image in images]), rel=1e-4
    )
    without = model.evaluate(noisy, verbose=0, return_dict=True)
    assert "psnr" not in without
    assert float(without["loss"]) == pytest.approx(float(with_clean["loss"]))


def test_a_perfect_result_does_not_spoil_the_mean():
    model = Neighbor2Neighbor(scale_network(1.0))
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    black = np.zeros((2, 8, 8, 1), np.float32)
    assert model.evaluate(black, black, verbose=0, return_dict=True)["psnr"] == 100


def test_psnr_is_of_the_image_as_it_would_be_shown():
    """Clipped: what is darker than black or brighter than white by 0.3 is off by nothing, and by 0.1 from 0.1 to 0."""
    model = Neighbor2Neighbor(scale_network(1.0))
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    clean = np.float32([0, 1, 0.1])[:, None, None, None] * np.ones((8, 8, 1), np.float32)
    noisy = clean + np.float32([-0.3, 0.3, -0.2])[:, None, None, None]
    logs = model.evaluate(noisy, clean, verbose=0, return_dict=True)
    assert float(logs["psnr"]) == pytest.approx(np.mean([100, 100, 20]), abs=1e-3)


def test_every_step_draws_anew_from_seed_and_iteration():
    noisy, drawn = tf.zeros([2, 8, 12, 1]), []
    for seed, step in itertools.product((0, 3), (0, 1, 7)):
        model = Neighbor2Neighbor(scale_network(), seed=seed)
        model.compile("sgd")
        model.optimizer.iterations.assign(step)
        drawn.append(model._draw(noisy).numpy().tobytes())
        assert drawn[-1] == draw_choice(noisy.shape, [seed, step]).numpy().tobytes()
    assert len(set(drawn)) == 6


def test_called_it_denoises_as_at_inference_unless_told_otherwise():
    image = keras.Input((None, None, 1))
    model = Neighbor2Neighbor(keras.Model(image, keras.layers.Dropout(0.5)(image)))
    noisy = np.ones((1, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(model(noisy), noisy)
    np.testing.assert_array_equal(model.predict(noisy, verbose=0), noisy)
    assert set(np.unique(model(noisy, training=True))) == {0, 2}


@pytest.mark.parametrize(
    ("policy", "network"), [("mixed_bfloat16", unet), ("mixed_float16", two_layers)], ids=["bfloat16", "float16"]
)
def test_mixed_precision_trains_with_finite_losses(policy, network):
    before = keras.mixed_precision.global_policy()
    try:
        keras.mixed_precision.set_global_policy(policy)
        model = Neighbor2Neighbor(network(1, 4, "default", 0))
        model.compile(optimizer="adam")
        history = model.fit(RNG.random((8, 64, 64, 1), np.float32), batch_size=4, epochs=2, verbose=0).history
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert np.isfinite(history["loss"]).all()
    assert type(model.optimizer).__name__.startswith("LossScaleOptimizer") == (policy == "mixed_float16")


def test_the_loss_of_a_network_that_gives_half_precision_is_float32():
    image = keras.Input((None, None, 1))
    half = keras.layers.Conv2D(1, 1, kernel_initializer="ones", dtype="mixed_bfloat16")
    model = Neighbor2Neighbor(keras.Model(image, half(image)))
    noisy = tf.constant(RNG.random((1, 8, 8, 1), np.float32))
    terms = model.loss_terms(noisy, draw_choice(noisy.shape, [0, 0]))
    assert {term.dtype for term in terms} == {tf.float32}
    assert 0 < float(terms[0]) < 1


TWO_REPLICAS = """
    import json, sys
    import keras, numpy as np, tensorflow as tf
    from n2n_tf.methods import Neighbor2Neighbor
    from n2n_tf.sampling import draw_choice
    from tests.runs import two_layers

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    class EachItsOwnDraw(Neighbor2Neighbor):
        '''What must not happen: every replica takes the first rows.'''
        def _draw(self, noisy):
            return draw_choice([4, 16, 16], tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)]))

    def losses_and_weights(strategy, method, policy="float32"):
        '''The loss, and the weights after one and after ten steps.'''
        keras.mixed_precision.set_global_policy(policy)
        with strategy.scope():
            model = method(two_layers(3, 4, 'default', 0), seed=1)
            model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
        images = np.random.default_rng(0).random((80, 16, 16, 3), np.float32)
        batches = tf.data.Dataset.from_tensor_slices((images, images)).batch(8)
        weights = []
        for steps in (batches.take(1), batches.skip(1)):
            loss = model.fit(steps, verbose=0, shuffle=False).history["loss"][0]
            weights.append(np.concatenate([w.ravel() for w in model.network.get_weights()]))
        return loss, np.stack(weights)

    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one_loss, one = losses_and_weights(tf.distribute.get_strategy(), Neighbor2Neighbor)
    two_loss, both = losses_and_weights(two, Neighbor2Neighbor)
    _, wrong = losses_and_weights(two, EachItsOwnDraw)
    half_loss, _ = losses_and_weights(two, Neighbor2Neighbor, "mixed_float16")  # its loss scaling has a strategy's path
    same, control = (abs(one - other).max(axis=1).tolist() for other in (both, wrong))
    print(json.dumps([same, control, one_loss, two_loss, half_loss]))
"""


def test_two_replicas_make_the_steps_of_one_device():
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_REPLICAS)], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    same, control, one_loss, two_loss, half_loss = json.loads(output.splitlines()[-1])
    assert same[0] < 1e-6
    assert same[1] < 1e-5
    assert min(control) > 1e-4  # another draw is noticed
    assert two_loss == pytest.approx(one_loss, rel=1e-6)  # logged undivided
    assert half_loss == pytest.approx(one_loss, rel=1e-3)


@pytest.mark.parametrize("cls", [Neighbor2Neighbor, GammaRamp])
def test_config_is_complete(cls):
    arguments = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "kwargs")]
    original = cls(scale_network()) if cls is Neighbor2Neighbor else cls(2.0, 10, 5)
    config = original.get_config()
    assert set(arguments) <= set(config)
    assert all(hasattr(original, name) for name in arguments)
    again = cls.from_config(copy.deepcopy(config))
    assert again.get_config() == config


def test_the_whole_method_can_be_saved_and_trained_on(tmp_path):
    model = Neighbor2Neighbor(two_layers(1, 4, "default", 0), gamma=GammaRamp(2.0, 2, 1))
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    images = RNG.random((4, 64, 64, 1), np.float32)
    model.fit(images, verbose=0)
    model.save(tmp_path / "method.keras")
    loaded = keras.models.load_model(tmp_path / "method.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 1
    assert np.isfinite(loaded.fit(images, verbose=0).history["loss"]).all()


def test_gamma_ramp_follows_the_epochs():
    ramp = GammaRamp(2.0, epochs=4, steps_per_epoch=10)
    assert [float(ramp(tf.constant(i))) for i in (0, 9, 10, 29, 30, 39, 40, 400)] == [0.5, 0.5, 1, 1.5, 2, 2, 2, 2]


def test_negative_gamma_is_refused():
    with pytest.raises(ValueError, match="at least 0"):
        Neighbor2Neighbor(scale_network(), gamma=-1.0)


@pytest.mark.parametrize("what", ["loss", "metrics", "weighted_metrics", "loss_weights"])
def test_compile_refuses_what_would_have_no_effect(what):
    with pytest.raises(ValueError, match=rf"compile\({what}\): has no effect"):
        Neighbor2Neighbor(scale_network()).compile("adam", **{what: ["mse"]})


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 8, 8, 1), np.nan, np.float32), "infinite or not a number"),
        (np.full((2, 8, 8, 1), 255, np.float32), "float pixels up to 255; wanted intensities in .0, 1.: scale"),
        (zeros(2, 8, 8, 1, dtype=np.uint8), "noisy images are uint8; wanted float32"),
        (zeros(2, 8, 8, 3), r"noisy images have shape \(2, 8, 8, 3\); wanted \[B, H, W, 1\]"),
        (zeros(2, 8, 8), r"noisy images have shape \(2, 8, 8\); wanted \[B, H, W, 1\]"),
        (zeros(2, 7, 8, 1), r"noisy images have sides \(7, 8\); wanted even ones"),
    ],
)
def test_fit_says_what_is_wrong_with_arrays(images, message):
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    with pytest.raises(ValueError, match=message):
        model.fit(images, verbose=0)
    model.fit(zeros(2, 8, 8, 1), verbose=0)


WRONG = [
    (np.full((2, 8, 8, 1), np.nan, np.float32), "images have pixels that are infinite or not a number"),
    (np.full((2, 8, 8, 1), -np.inf, np.float32), "images have pixels that are infinite or not a number"),
    (
        np.full((2, 8, 8, 1), -255, np.float32),
        "images have float pixels up to 255; wanted intensities in .0, 1.: scale",
    ),
]


@pytest.mark.parametrize(("images", "message"), WRONG)
def test_values_of_a_dataset_are_checked_as_they_come(images, message):
    """In whatever batch, of images to train on and held-out ones, and no others."""
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    good = zeros(2, 8, 8, 1)
    third = tf.data.Dataset.from_tensor_slices(np.stack([good, good, images]))
    both = tf.data.Dataset.zip((third.map(tf.zeros_like), third))
    with pytest.raises(ValueError, match=f"^noisy {message}"):
        model.fit(third, verbose=0)
    assert int(model.optimizer.iterations) >= 2  # the third begins beside the check
    with pytest.raises(ValueError, match=f"^clean {message}"):
        model.fit(both.take(2), validation_data=both, verbose=0)
    assert np.isfinite(model.network.get_weights()).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        *((images, message.replace("images have", "the image has")) for images, message in WRONG),
        (zeros(2, 8, 8, 1, dtype=np.uint8), "images are uint8; wanted float32"),
        (zeros(2, 8, 8, 3), r"images have shape \(2, 8, 8, 3\); wanted \[B, H, W, 1\]"),
    ],
)
def test_held_out_arrays_are_checked_before_any_training(images, message):
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    good = zeros(2, 8, 8, 1)
    for held_out in ((images,), (images, good), (good, images), [images, good]):
        with pytest.raises(ValueError, match=message):
            model.fit(good, validation_data=held_out, verbose=0)
    with pytest.raises(ValueError, match=message):  # by its place
        model.fit(good, good, 2, 1, 0, None, 0.0, (images, good))
    assert int(model.optimizer.iterations) == 0
    assert "val_loss" in model.fit(good, good, validation_data=(good, good), verbose=0).history


@pytest.mark.parametrize(
    ("network", "sides", "wanted"),
    [
        (lambda: unet(1, 4), (96, 64), "multiples of 64"),
        (lambda: unet(1, 4), (32, 32), "multiples of 64"),
        (lambda: unet(1, 4, residual=True), (66, 130), "multiples of 64"),
        (lambda: unet(1, 4, residual=True), (64, 63), "multiples of 64"),
        (scale_network, (66, 63), "even ones"),
        (scale_network, (66, 62), None),  # and those of the trainings above
    ],
)
def test_sides_that_the_network_takes_halved_too(network, sides, wanted):
    model = Neighbor2Neighbor(network())
    model.compile("adam")
    images = zeros(2, *sides, 1)
    batches = tf.data.Dataset.from_tensors(images)
    unknown = tf.data.Dataset.from_generator(
        lambda: iter([images]), output_signature=tf.TensorSpec([None, *sides, None])
    )
    for each in (images, batches, unknown) if wanted else (images,):
        said = contextlib.nullcontext()
        if wanted:
            message = rf"noisy images have sides \({sides[0]}, {sides[1]}\); wanted {wanted}, which are halved: crop"
            said = pytest.raises(ValueError, match=message)
        with said:
            model.fit(each, verbose=0)


def test_a_network_of_one_size_is_refused():
    image = keras.Input((64, 64, 1))
    model = Neighbor2Neighbor(keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(image)))
    model.compile("adam")
    with pytest.raises(ValueError, match=r"sides \(64, 64\); wanted such as the network gives back, which are halved"):
        model.fit(zeros(2, 64, 64, 1), verbose=0)


def test_pairs_of_different_sizes_are_refused():
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    with pytest.raises(ValueError, match=r"clean images have shape .*4, 4.*, noisy ones .*8, 8.*; wanted equal ones"):
        model.fit(zeros(2, 8, 8, 1), zeros(2, 4, 4, 1), verbose=0)


def test_fit_refuses_sample_weights_and_checks_clean_images():
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    images = zeros(2, 8, 8, 1)
    with pytest.raises(ValueError, match="sample_weight and class_weight have no effect"):
        model.fit(images, images, sample_weight=np.ones(2), verbose=0)
    with pytest.raises(ValueError, match=r"clean images have shape \(2, 8, 8, 3\)"):
        model.fit(images, zeros(2, 8, 8, 3), verbose=0)
    with pytest.raises(ValueError, match="infinite or not a number"):
        model.fit(images, images + np.float32(np.inf), verbose=0)


def test_batches_of_a_dataset_are_checked_when_the_step_is_traced():
    model = Neighbor2Neighbor(scale_network())
    model.compile("adam")
    for images, message in ((zeros(2, 8, 8, 1, dtype=np.uint8), "are uint8"), (zeros(2, 7, 8, 1), "wanted even ones")):
        with pytest.raises(ValueError, match=message):
            model.fit(tf.data.Dataset.from_tensors(images), verbose=0)
