"""Methods of blind spots: Laine19 and its posterior by closed forms in NumPy, Blind2Unblind by its authors' values."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.cli.main import main
from n2n_tf.compat import STORABLE
from n2n_tf.config import UsageError
from n2n_tf.exporting.half import in_half
from n2n_tf.inference import Denoiser, footprint_of
from n2n_tf.methods import METHODS, BetaRise, Blind2Unblind, Laine19
from n2n_tf.methods.laine19 import surprise
from n2n_tf.methods.posterior import LEVEL, MEAN, ROOT, VARIANCE, conditioned, with_posterior
from n2n_tf.methods.settings import Setup
from n2n_tf.networks import dbsnl
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.noise.settings import GaussianSettings, NoNoise, PoissonSettings

RNG = np.random.default_rng(0)


def blind_network(channels=1):
    """Each pixel from the one above it, mixed by 1×1 convolutions."""
    image = keras.Input((None, None, channels), name="image")
    above = keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(keras.layers.Cropping2D(((0, 1), (0, 0)))(image))
    mixed = above
    for name, filters in (("features", 8), ("last", channels)):
        start = keras.initializers.Orthogonal(seed=channels)
        mixed = keras.layers.Conv2D(filters, 1, kernel_initializer=start, name=name)(mixed)
    return keras.Model(image, mixed)


def upper(root, channels):
    """U of one pixel, from its numbers row by row."""
    matrix = np.zeros((channels, channels))
    matrix[np.triu_indices(channels)] = root
    return matrix


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_mean_given_a_noisy_pixel_is_its_closed_form(channels):
    """(Σ⁻¹ + Σn⁻¹)⁻¹ (Σ⁻¹μ + Σn⁻¹y), and ½ dᵀ(Σ + Σn)⁻¹d + ½ log det(Σ + Σn), pixel by pixel."""
    count = channels * (channels + 1) // 2
    mean, noisy, variance = RNG.random((3, 2, 3, 4, channels)) + 0.05
    root = RNG.normal(0, 0.3, (2, 3, 4, count))
    parts = [np.split(each, each.shape[-1], axis=-1) for each in (mean, root, noisy, variance)]
    found = np.concatenate(conditioned(*map(list, parts))[0], -1)
    cost = surprise(*(tf.constant(each, tf.float32) for each in (mean, root, noisy, variance))).numpy()
    for place in np.ndindex(2, 3, 4):
        own, noise = upper(root[place], channels) @ upper(root[place], channels).T, np.diag(variance[place])
        precision = np.linalg.inv(own) + np.linalg.inv(noise)
        sides = np.linalg.solve(own, mean[place]) + noisy[place] / variance[place]
        np.testing.assert_allclose(found[place], np.linalg.solve(precision, sides), rtol=1e-6)
        away = noisy[place] - mean[place]
        expected = away @ np.linalg.solve(own + noise, away) / 2 + np.log(np.linalg.det(own + noise)) / 2
        assert cost[place].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_three_channels_are_numbered_as_the_authors_number_them():
    """Σ = c00 … c22 of METHODS: c01 = a1·a3 + a2·a4, c02 = a2·a5, c12 = a4·a5."""
    a = RNG.normal(size=6)
    expected = [[a[0] ** 2 + a[1] ** 2 + a[2] ** 2, a[1] * a[3] + a[2] * a[4], a[2] * a[5]],
                [0, a[3] ** 2 + a[4] ** 2, a[4] * a[5]], [0, 0, a[5] ** 2]]  # fmt: skip
    matrix = upper(a, 3)
    np.testing.assert_allclose(np.triu(matrix @ matrix.T), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("noise", "level"),
    [
        ("gaussian", 0.1), ("gaussian", (0.1, 0.2, 0.05)), ("gaussian", "learned"), ("poisson", 0.2),
        ("poisson", "image"),
    ],
)  # fmt: skip
def test_the_formula_is_inside_the_denoiser(channels, noise, level, tmp_path):
    """Recomputed from what its layers predict; and in the file it is the same."""
    level = level[:channels] if isinstance(level, tuple) else level
    network = with_posterior(blind_network(channels), noise, level, seed=1)
    if level == "learned":
        network.get_layer("posterior_value").bias.assign([1.5])
    noisy = RNG.random((1, 6, 8, channels)).astype(np.float32)
    inside = [network.get_layer(name).output for name in (MEAN, ROOT, VARIANCE)]
    mean, root, variance = (np.asarray(each, float) for each in keras.Model(network.inputs[0], inside)(noisy))
    denoised = network(noisy).numpy()
    std = {"learned": np.log1p(np.exp(1.5 - 4)) + 1e-3, "image": np.log1p(np.exp(-4.0)) + 1e-3}.get(level, level)
    brightness = np.maximum(mean, 1e-3) if noise == "poisson" else np.ones_like(mean)
    np.testing.assert_allclose(variance, np.square(std) * brightness, rtol=1e-5)
    for place in np.ndindex(1, 6, 8):
        own, share = upper(root[place], channels) @ upper(root[place], channels).T, np.diag(variance[place])
        expected = mean[place] + own @ np.linalg.solve(own + share, noisy[place] - mean[place])
        np.testing.assert_allclose(denoised[place], expected, rtol=1e-4, atol=1e-6)
    assert "n2n_tf" not in network.to_json()  # so that it loads where that is not installed
    network.save(tmp_path / "x.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "x.keras")(noisy), denoised)


def test_a_pixel_of_little_noise_is_kept_and_of_much_is_replaced():
    noisy = RNG.random((1, 6, 8, 3)).astype(np.float32)
    for level, expected in ((1e-4, noisy), (100.0, blind_network(3)(noisy))):
        network = with_posterior(blind_network(3), "gaussian", level)
        root = network.get_layer(ROOT)
        root.set_weights([np.zeros_like(root.get_weights()[0]), root.get_weights()[1]])  # 0.1 in all channels
        np.testing.assert_allclose(network(noisy), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", STORABLE)
def test_half_precision_leaves_the_formula_whole(dtype):
    """Variances of 1e-6: what is stored in 16 bits is the network before it."""
    network = with_posterior(dbsnl(3, 8, seed=0, modules=1), "gaussian", 1e-3, seed=1)
    noisy = np.random.default_rng(0).random((1, 24, 32, 3), np.float32)  # the same whatever runs before
    half = in_half(network, dtype)
    assert half.get_layer("branch1_in_a").compute_dtype == dtype
    np.testing.assert_allclose(half(noisy), network(noisy), atol=0.01)


def logs_of(method, noisy):
    method.compile(optimizer=keras.optimizers.SGD(0.0))
    return {name: float(value) for name, value in method.train_on_batch(noisy, return_dict=True).items()}


def test_losses_by_hand():
    """N(μ, U·Uᵀ + Σn) of each noisy pixel; an unknown level is drawn upwards."""
    noisy = RNG.random((2, 6, 8, 1)).astype(np.float32)
    mean = np.asarray(blind_network()(noisy), float)
    assert logs_of(Laine19(blind_network()), noisy)["loss"] == pytest.approx(np.mean((mean - noisy) ** 2), rel=1e-5)
    for level in (0.2, "learned"):
        method = Laine19(with_posterior(blind_network(), "gaussian", level, seed=1))
        root = np.asarray(method.parts(noisy)[ROOT], float)
        std = 0.2 if level == 0.2 else np.log1p(np.exp(-4.0)) + 1e-3
        total = root**2 + std**2
        expected = np.mean((noisy - mean) ** 2 / total / 2 + np.log(total) / 2)
        found = logs_of(method, noisy)
        assert found["loss"] == pytest.approx(expected - (0.1 * std if level == "learned" else 0), rel=1e-4)
        assert found.get("noise_level", std) == pytest.approx(std, rel=1e-5)


def test_the_best_level_is_the_noise():
    """Pixels of N(0.5, 0.01² + 0.1²): of all learned levels the true one surprises least."""
    noisy = (0.5 + RNG.normal(0, 0.1, (4, 64, 64, 1))).astype(np.float32)
    mean, root = np.full_like(noisy, 0.5), np.full_like(noisy, 0.01)
    costs = {std: np.mean(surprise(mean, root, noisy, np.full_like(noisy, std**2))) for std in (0.08, 0.1, 0.12)}
    assert min(costs, key=costs.get) == 0.1


def test_only_the_level_of_one_image_needs_the_whole_image():
    for level in (0.1, "learned"):
        assert footprint_of(with_posterior(blind_network(3), "gaussian", level)).reach == 1
    whole = with_posterior(blind_network(3), "gaussian", "image")
    with pytest.raises(ValueError, match="tiles would leave seams, since the receptive field of layer"):
        Denoiser(whole, tile=96)


def test_networks_that_see_the_pixel_are_refused():
    image = keras.Input((None, None, 1))
    seeing = keras.Model(image, keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(image))
    wide = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same", name="wide")(image), name="own")
    for network, settings, text in (
        (seeing, {}, "it sees the pixel that it predicts.*try blindspot_unet"),
        (wide, {}, "`network` own with `method` laine19: its last layer is no 1×1 convolution"),
        (wide, {"predicts": "mu"}, "it sees the pixel"),
    ):
        with pytest.raises(UsageError, match=text):
            METHODS["laine19"](**settings).build(network, Setup(10, 2, 0, GaussianSettings()))


@pytest.mark.parametrize(
    ("settings", "noise", "expected"),
    [
        ({}, GaussianSettings(sigma=(51.0,)), ("gaussian", 0.2)),
        ({}, PoissonSettings(lam=(25.0,)), ("poisson", 0.2)),
        ({}, GaussianSettings(sigma=(5.0, 50.0)), ("gaussian", "image")),
        ({"noise_level": "learned"}, PoissonSettings(), ("poisson", "learned")),
        ({}, NoNoise(), ("gaussian", "image")),
        ({"known_sigma": 51.0}, NoNoise(), ("gaussian", 0.2)),
        ({"known_lam": 25.0}, NoNoise(), ("poisson", 0.2)),
        ({"noise_model": "poisson"}, NoNoise(), ("poisson", "image")),
        ({"noise_level": "measured"}, NoNoise(), ("gaussian", "measured")),
    ],
)
def test_what_is_known_of_the_noise(settings, noise, expected):
    own = METHODS["dbsn"](**settings)
    own.check(noise)
    assert (own.model(noise), own.level(noise)) == expected


def test_the_noise_of_each_channel_as_it_was_measured():
    noise = MeasuredNoise.white(np.square([[0.1], [0.2], [0.05]]))
    own = METHODS["laine19"](noise_level="measured")
    network = own.build(blind_network(3), Setup(10, 2, 0, NoNoise(), noise)).denoiser()
    np.testing.assert_allclose(network.get_layer(VARIANCE).scale, np.square([0.1, 0.2, 0.05]), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "noise", "text"),
    [
        ({"predicts": "mu", "noise_level": "image"}, NoNoise(), "`noise_level` with `predicts` mu: has no effect"),
        ({"predicts": "mu", "known_lam": 3.0}, NoNoise(), "`known_lam` with `predicts` mu: has no effect"),
        ({"noise_level": "known"}, NoNoise(), "`noise_level` known: wants `noise` of one `sigma` or `lam`"),
        (
            {"noise_model": "poisson"},
            GaussianSettings(),
            "`noise_model` poisson with `noise` gaussian: wanted the same",
        ),
        ({"noise_level": "measured"}, GaussianSettings(), "`noise_level` measured: is for gaussian noise that images"),
        ({"noise_level": "measured", "known_sigma": 5.0}, NoNoise(), "`noise_level` measured: is for gaussian noise"),
        ({"known_sigma": 5.0}, GaussianSettings(), "`known_sigma` with `noise` gaussian and a gaussian model: has no"),
        ({"known_sigma": 5.0, "known_lam": 3.0}, NoNoise(), "`known_sigma` with `noise` none and a poisson model"),
        (
            {"known_sigma": 5.0, "noise_level": "image"},
            NoNoise(),
            "`known_sigma` with `noise_level` image: has no effect",
        ),
        ({"known_lam": 3.0, "noise_level": "learned"}, NoNoise(), "`known_lam` with `noise_level` learned: has no"),
    ],
)
def test_settings_that_contradict_each_other(settings, noise, text):
    with pytest.raises(UsageError, match=text):
        METHODS["laine19"](**settings).check(noise)


def test_scores_tell_a_better_denoiser():
    """Without a clean image: of a plain network by the pixel it does not see, of others by neighbours."""
    clean = np.full((64, 64, 1), 0.5, np.float32)
    noisy = (clean + RNG.normal(0, 0.1, clean.shape)).astype(np.float32)
    for method in (Laine19(with_posterior(blind_network(), "gaussian", 0.1)), Blind2Unblind(blind_network())):
        good, bad = (method.score(lambda image, g=g: g * image + (1 - g) * 0.5, noisy, [1, 2]) for g in (0.1, 0.9))
        assert good == pytest.approx(0.01, rel=0.3)
        assert bad > 1.1 * good
    plain = Laine19(blind_network())
    assert plain.score(lambda image: 0.9 * image, noisy, [1, 2]) == pytest.approx(0.01 * np.mean(noisy**2), rel=1e-4)


@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 7, 3)])
def test_the_smallest_images_have_a_pixel_in_each_copy(shape):
    assert METHODS["blind2unblind"]().smallest == min(shape[:2])
    noisy = np.random.default_rng(0).random(shape, np.float32)
    method = Blind2Unblind(blind_network(shape[2]))
    assert np.isfinite([method.score(lambda image: image, noisy, [0, seed]) for seed in range(20)]).all()


def test_beta_rises_after_its_share_of_the_epochs():
    rise = BetaRise(0.8, 10, 5)
    found = [float(rise(tf.constant(step))) for step in (0, 39, 40, 45, 49, 500)]
    assert found == pytest.approx([2, 2, 11, 20, 20, 20])
    assert BetaRise.from_config(rise.get_config()).get_config() == rise.get_config()


def test_beta_of_settings():
    network = blind_network()
    for noise, share in ((GaussianSettings(), 0.8), (PoissonSettings(lam=(5.0, 50.0)), 0.4), (NoNoise(), 0.4)):
        beta = METHODS["blind2unblind"]().build(network, Setup(100, 10, 0, noise)).beta
        assert (beta.share, beta.epochs, beta.steps_per_epoch, beta.first, beta.last) == (share, 10, 10, 2.0, 20.0)
    assert METHODS["blind2unblind"](beta_rises=0.5).build(network, Setup(100, 10, 0, NoNoise())).beta.share == 0.5


def test_blind2unblind_by_hand():
    """Sides that the cells do not divide; f(y) = 0.7·y, without gradient."""
    noisy, beta = RNG.random((2, 6, 7, 2)).astype(np.float32), 3.0
    padded = np.pad(noisy, [(0, 0), (1, 1), (1, 1), (0, 0)])
    shifts = [(down, right) for down in (0, 1, 2) for right in (0, 1, 2) if (down, right) != (1, 1)]
    means = sum(padded[:, d : d + 6, r : r + 7] * (1 if 1 in (d, r) else 0.5) for d, r in shifts) / 6
    image = keras.Input((None, None, 2))
    scale = keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=keras.initializers.Constant(0.7))
    method = Blind2Unblind(keras.Model(image, scale(image)), beta)
    copies, masks = (each.numpy() for each in method.masked(tf.constant(noisy)))
    np.testing.assert_array_equal(masks.sum(0), 1)
    assert masks[5, 1, 5] == masks[5, 5, 1] == 1
    np.testing.assert_allclose(copies[:, 5, 1, 5], means[:, 1, 5], rtol=1e-6)
    difference = 0.7 * means - noisy
    with tf.GradientTape() as tape:
        found = method.loss_terms(tf.constant(noisy), beta)
        loss = found[0] + found[1]
    visible = difference + beta * (0.7 * noisy - noisy)
    np.testing.assert_allclose(found[:2], [np.mean(difference**2), np.mean(visible**2)], rtol=1e-5)
    slope = tf.reduce_sum(tape.gradient(loss, method.network.trainable_variables[0])).numpy()
    assert slope == pytest.approx(2 * np.mean((difference + visible) * means), rel=1e-4)


def test_blind2unblind_equals_its_authors(authors_unet, reference):
    case = np.load(reference / "blind2unblind.npz")
    method, noisy = Blind2Unblind(authors_unet("unet_random.pth")), tf.constant(case["input"])
    copies, masks = method.masked(noisy)
    np.testing.assert_array_equal(masks, case["mask"][0])
    variables = method.network.trainable_variables
    with tf.GradientTape() as tape:
        regularizer, revisible, visible = method.loss_terms(noisy, float(case["beta"]))
        loss = regularizer + revisible
    norms = {
        _authors_name(each): float(tf.norm(g))
        for each, g in zip(variables, tape.gradient(loss, variables), strict=True)
    }
    found = {"masked": copies, "blind": method.blind(noisy), "visible": visible, "regularizer": regularizer,
             "revisible": revisible, "grad_norms": [norms[name] for name in case["grad_names"]]}  # fmt: skip
    for name, value in found.items():
        assert np.abs(np.asarray(value) - case[name]).max() <= 1e-5 * np.abs(case[name]).max(), name


def _authors_name(variable):
    layer, kind = variable.path.split("/") if hasattr(variable, "path") else variable.name.split(":")[0].split("/")
    return f"{layer}{'.deconv' * layer.startswith('up')}.{'bias' if kind == 'bias' else 'weight'}"


def test_making_a_method_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LEVEL in Laine19(with_posterior(blind_network(3), "gaussian", "image")).parts.output_names


def test_what_is_exported_gives_what_the_denoiser_gives(tmp_path):
    """The formula is inside: sides that are padded, through the C++ loader (the export's own check) and here."""
    network = with_posterior(dbsnl(1, 4, seed=0, modules=1), "poisson", 0.2, seed=1)
    network.save(tmp_path / "x.keras")
    assert main(["export", str(tmp_path / "x.keras"), "--output", str(tmp_path / "served")]) == 0
    served = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["serving_default"]
    image = RNG.random((30, 41, 1)).astype(np.float32)
    found = served(image=tf.constant(image[None]))["denoised"][0]
    np.testing.assert_allclose(found, Denoiser(network)(image), rtol=0, atol=1e-5)
