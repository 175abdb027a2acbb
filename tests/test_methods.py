"""Every method: its loss by hand, its test-time formula, and that replicas together do what one device does."""

import copy
import inspect
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.data.paired_images import find_paired_images
from n2n_tf.data.pipeline import Recipe, training_batches
from n2n_tf.data.settings import CropSettings, ImageSettings
from n2n_tf.methods import METHODS, Neighbor2Neighbor, Noise2Void, Noisier2Noise, Recorrupted2Recorrupted, Supervised
from n2n_tf.methods.samplers import FixedSettings, NeighborsSettings
from n2n_tf.methods.settings import Setup
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.noise.settings import GaussianSettings
from n2n_tf.sampling import Fixed, Neighbors
from n2n_tf.training.data import find_data
from n2n_tf.training.presets import build_config
from tests.runs import SMALL, assert_same_state, rows, small
from tests.test_blind_methods import blind_network

pytestmark = pytest.mark.usefixtures("two_layers")
RNG = np.random.default_rng(0)
OTHERS = ("noise2noise", "noise2void", "noisier2noise", "laine19", "dbsn", "blind2unblind")
BLIND = {"laine19": "two_layers_blind", "dbsn": "two_layers_blind"}  # networks without which they do not do


def scale_network(factor=0.5, channels=1):
    """f(y) = factor·y."""
    image = keras.Input((None, None, channels))
    scale = keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=keras.initializers.Constant(factor))
    return keras.Model(image, scale(image))


def built(name, network, **settings):
    taught = {"teacher": "run"} if name == "renoised" else {}
    network = blind_network() if name in BLIND else network
    setup = Setup(10, 2, 3, GaussianSettings(sigma=(25.5,)), white(0.1), scale_network(0.9))
    return METHODS[name](**taught, **settings).build(network, setup)


def white(sigma):
    """Noise of one channel."""
    rho = np.zeros((1, 9, 17))
    rho[0, 0, 8] = 1
    return MeasuredNoise(np.full((1, 16), sigma**2), rho, np.eye(1))


def logs_of(method, *batch):
    method.compile(optimizer=keras.optimizers.SGD(0.0))
    return {name: float(value) for name, value in method.train_on_batch(*batch, return_dict=True).items()}


@pytest.mark.parametrize("name", METHODS)
def test_config_is_complete(name):
    original = built(name, scale_network())
    arguments = [
        each for each in inspect.signature(type(original).__init__).parameters if each not in ("self", "kwargs")
    ]
    config = original.get_config()
    assert set(arguments) <= set(config)
    again = type(original).from_config(copy.deepcopy(config))
    assert again.get_config() == config
    assert again.sampler == original.sampler if name == "neighbor2neighbor" else True


def test_supervised_loss_by_hand():
    noisy, target = RNG.random((2, 2, 4, 6, 1)).astype(np.float32)
    assert logs_of(Supervised(scale_network(0.7)), noisy, target)["loss"] == pytest.approx(
        np.mean((0.7 * noisy - target) ** 2), rel=1e-5
    )


def test_targets_must_come():
    with pytest.raises(ValueError, match=r"noisy images alone; Supervised wants \(noisy, target\)"):
        logs_of(Supervised(scale_network()), np.zeros((1, 4, 4, 1), np.float32))


def hidden(method, noisy, step=0):
    method.compile(optimizer=keras.optimizers.SGD(0.0))
    seed = tf.constant([method.seed, step])
    images, mask = method.hide(
        tf.constant(noisy), method.draw_places(noisy.shape, seed), method.draw_offsets(noisy.shape, seed)
    )
    return images.numpy(), mask.numpy()


@pytest.mark.parametrize(("percent", "box"), [(1.5, 8), (0.2, 22), (25, 2)])
def test_one_pixel_of_each_box_is_hidden_in_all_channels(percent, box):
    noisy = RNG.random((3, 3 * box, 2 * box, 2)).astype(np.float32)
    images, mask = hidden(Noise2Void(scale_network(channels=2), percent, replacement="others"), noisy)
    assert set(np.unique(mask)) == {0, 1}
    np.testing.assert_array_equal(mask.reshape(3, 3, box, 2, box).sum((2, 4)), 1)
    np.testing.assert_array_equal((images != noisy), np.broadcast_to(mask > 0, noisy.shape))


def window(image, y, x, radius):
    """Of the pixel, its window, which ends at the border."""
    top, left = max(0, y - radius), max(0, x - radius)
    return image[top : y + radius + 1, left : x + radius + 1]


@pytest.mark.parametrize("replacement", ["uniform", "others"])
def test_a_hidden_pixel_becomes_one_of_its_window(replacement):
    noisy = np.arange(2 * 24 * 17, dtype=np.float32).reshape(2, 24, 17, 1)
    method = Noise2Void(scale_network(), 25, 1, replacement)
    itself, count, corners = 0, 0, set()
    for step in range(40):
        images, mask = hidden(method, noisy, step)
        for b, y, x, _ in np.argwhere(mask):
            assert images[b, y, x, 0] in window(noisy[b, ..., 0], y, x, 1)
            itself, count = itself + (images[b, y, x] == noisy[b, y, x]), count + 1
            if (b, y, x) == (0, 5, 5):
                corners.add(float(images[b, y, x, 0] - noisy[b, y, x, 0]))
    if replacement == "others":
        assert not itself
        assert len(corners) > 3
    else:
        assert abs(itself / count - 1 / 8.6) < 5 * np.sqrt(1 / 9 / count)  # 9 in the middle, 6 and 4 at the border


def test_the_median_is_that_of_the_others():
    noisy = RNG.random((1, 16, 20, 1)).astype(np.float32)
    images, mask = hidden(Noise2Void(scale_network(), 25, 2, "median"), noisy)
    inside = [(y, x) for _, y, x, _ in np.argwhere(mask) if 2 <= y < 14 and 2 <= x < 18]
    assert len(inside) > 30
    for y, x in inside:
        others = np.delete(window(noisy[0, ..., 0], y, x, 2).ravel(), 12)
        assert images[0, y, x, 0] == pytest.approx(np.median(others), rel=1e-6)


def test_noise2void_loss_by_hand():
    noisy = RNG.random((2, 16, 16, 2)).astype(np.float32)
    method = Noise2Void(scale_network(0.7, 2), seed=3)
    images, mask = hidden(method, noisy)
    where = np.broadcast_to(mask > 0, noisy.shape)
    assert logs_of(method, noisy)["loss"] == pytest.approx(np.mean((0.7 * images - noisy)[where] ** 2), rel=1e-5)


def test_noisier2noise_by_hand_and_by_its_closed_form():
    """Of a clean image N(0, S²) and noise σ the best linear f is (S²+σ²)/(S²+2σ²), its denoiser S²/(S²+2σ²)."""
    s, sigma = 0.3, 0.1
    rng = np.random.default_rng(1)
    noisy = rng.normal(0, np.hypot(s, sigma), (4, 256, 256, 1)).astype(np.float32)
    best = (s**2 + sigma**2) / (s**2 + 2 * sigma**2)
    losses = {factor: logs_of(Noisier2Noise(scale_network(factor), sigma, seed=5), noisy)["loss"]
              for factor in (best - 0.05, best, best + 0.05)}  # fmt: skip
    assert min(losses, key=losses.get) == best
    denoiser = Noisier2Noise(scale_network(best), sigma).denoiser()
    np.testing.assert_allclose(denoiser(noisy), s**2 / (s**2 + 2 * sigma**2) * noisy, rtol=1e-4, atol=1e-6)
    normal = tf.random.stateless_normal(noisy.shape, [5, 0]).numpy()
    expected = np.mean((best * (noisy + sigma * normal) - noisy) ** 2)
    assert losses[best] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.15, 0.5, 0.8])
def test_recorrupted_images_have_independent_noise_of_known_variance(alpha):
    sigma, clean = 0.1, RNG.random((500, 400))
    noisy = clean + sigma * RNG.normal(size=clean.shape)
    method, normal = Recorrupted2Recorrupted(scale_network(), sigma, alpha), RNG.normal(size=clean.shape)
    one, other = method.pair(noisy, sigma * normal)
    noise1, noise2 = one - clean, other - clean
    assert noise1.var() == pytest.approx(sigma**2 / (1 - alpha), rel=0.02)
    assert noise2.var() == pytest.approx(sigma**2 / alpha, rel=0.02)
    bound = 5 / np.sqrt(clean.size)
    assert abs(np.corrcoef(noise1.ravel(), noise2.ravel())[0, 1]) < bound
    one, other = method.pair(noisy, 1.3 * sigma * normal)
    assert abs(np.corrcoef((one - clean).ravel(), (other - clean).ravel())[0, 1]) > bound  # another σ is noticed


@pytest.mark.parametrize("sampler", [Neighbors(targets=2), Neighbors(distance=2), Neighbors(3), Fixed()], ids=str)
def test_neighbor2neighbor_with_other_samplers_by_hand(sampler):
    """Equation 7 for f(y) = factor·y in NumPy, averaged over the targets."""
    noisy, factor, gamma = RNG.random((2, 12, 12, 1)).astype(np.float32), 0.7, 1.5
    choice = sampler.draw(noisy.shape, [1, 2])
    sub1, *targets = (sub.numpy() for sub in sampler(tf.constant(noisy), choice))
    assert len(targets) == getattr(sampler, "targets", 1)
    differences = [factor * sub1 - each for each in targets]
    corrected = [d - factor * (sub1 - each) for d, each in zip(differences, targets, strict=True)]
    method = Neighbor2Neighbor(scale_network(factor), gamma, sampler=sampler)
    reconstruction, regularizer, _ = method.loss_terms(tf.constant(noisy), choice)
    assert float(reconstruction) == pytest.approx(np.mean(np.square(differences)), rel=1e-5)
    assert float(regularizer) == pytest.approx(np.mean(np.square(corrected)), rel=1e-5)


ADD_NOISE = ("noisier2noise", "recorrupted2recorrupted", "renoised")
WAYS = [
    *((name, {}) for name in METHODS),
    ("laine19", {"predicts": "mu"}),
    ("laine19", {"noise_level": "image"}),
    ("noise2void", {"replacement": "others"}),
    ("noise2void", {"replacement": "median", "masked": 0.2}),
    *(("neighbor2neighbor", {"sampler": sampler}) for sampler in (
        FixedSettings(), NeighborsSettings(3), NeighborsSettings(distance=(2,)), NeighborsSettings(targets=1)
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), WAYS, ids=str)
def test_a_step_is_the_same_eager_in_graph_and_under_xla(name, settings):
    """One channel, sides that the boxes of noise2void do not divide. Normal numbers XLA draws otherwise."""
    images = RNG.random((2, 36, 24, 1)).astype(np.float32)
    batch = (images, 0.9 * images) if METHODS[name].target else (images,)
    found = []
    for way in ({"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}):
        method = built(name, scale_network(0.7), **settings)
        method.compile(optimizer=keras.optimizers.SGD(0.1), **way)
        loss = float(method.train_on_batch(*batch, return_dict=True)["loss"])
        found.append((loss, method.network.get_weights()[0].sum()))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=0.1 if name in ADD_NOISE else 1e-5)


REPLICAS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.test_methods import METHODS, built, scale_network
# 20 is no multiple of the side of noise2void's boxes, 8: replicas hide different numbers of pixels
images = np.random.default_rng(0).random((4, 20, 20, 1)).astype(np.float32)

def fitted(name, strategy):
    with strategy.scope():
        method = built(name, scale_network(0.7))
        method.compile(optimizer=keras.optimizers.SGD(0.5))
    data = tf.data.Dataset.from_tensor_slices((images, 0.9 * images)).batch(4)
    loss = method.fit(data, verbose=0).history["loss"][0]
    return loss, float(method.network.get_weights()[0].sum())

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # one for all: others would share its numbers of ops
for name in METHODS:
    one = fitted(name, tf.distribute.get_strategy())
    two = fitted(name, mirrored)
    np.testing.assert_allclose(two, one, rtol=1e-5, err_msg=name)
"""


def test_replicas_draw_what_one_device_draws():
    """Of every method: two replicas with half a batch each make the step of one device."""
    subprocess.run([sys.executable, "-c", REPLICAS], check=True)


def save(images, folder):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return str(folder)


@pytest.fixture
def shots(tmp_path):
    """Two noisy shots of 12 scenes, and the clean images."""
    rng = np.random.default_rng(3)
    clean = [np.kron(rng.integers(60, 190, (6, 7, 3)), np.ones((16, 16, 1))) for _ in range(12)]
    noisy = [[np.clip(image + rng.normal(0, 10, image.shape), 0, 255) for image in clean] for _ in range(2)]
    return [
        save([np.rint(image).astype(np.uint8) for image in each], tmp_path / name)
        for name, each in (("clean", clean), ("one", noisy[0]), ("two", noisy[1]))
    ]


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_goes_on_and_its_denoiser_is_what_was_scored(name, photos, tmp_path):
    """On synthetic noise: stopped after 4 of 6 steps, then the state of a run that was not."""
    network = {"network": BLIND[name]} if name in BLIND else {}
    config = small(photos, method=name, epochs=1, features=2, **network)
    report = n2n_tf.train(config, tmp_path / "whole")
    assert {"loss", "val_psnr"} <= set(rows(tmp_path / "whole")[0])
    assert report["scores"]["psnr"] == pytest.approx(float(rows(tmp_path / "whole")[0]["val_psnr"]), abs=1e-4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("n2n_tf.training.run.Validation.on_epoch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            n2n_tf.train(config, tmp_path / "stopped")
    n2n_tf.resume(tmp_path / "stopped")
    assert_same_state(tmp_path / "whole", tmp_path / "stopped")


def stop(*_):
    raise KeyboardInterrupt


def test_pairs_of_images_train_and_score(shots, tmp_path):
    clean, one, two = shots
    for method, target, score in (("n2c", clean, "psnr"), ("noise2noise", two, "reconstruction")):
        out = tmp_path / method
        settings = {"data": one, "target": target, "noise": "none", "method": method, "epochs": 1}
        report = n2n_tf.train(build_config({**SMALL, **settings, "features": 2}), out)
        assert score in report["scores"]
        lists = json.loads((out / "images.json").read_text())
        for page, partner in zip(lists["training"]["pages"], lists["training"]["partners"], strict=True):
            assert page[0].replace("/one/", "/x/") == partner[0].replace(f"/{target.rsplit('/', 1)[1]}/", "/x/")
        assert n2n_tf.resume(out) == {**report, "seconds": pytest.approx(0, abs=60)}


def test_pairs_come_as_the_same_window(shots):
    images = find_paired_images(ImageSettings(data=(shots[1],), target=shots[0]), 64)
    noisy, clean = next(iter(training_batches(images, Recipe(CropSettings(64, 8), None, 1))))
    difference = (noisy - clean).numpy()
    assert 0.03 < difference.std() < 0.05  # σ is 10 of 255: another window would differ far more
    assert clean.numpy().std() > 0.1


def test_a_target_of_another_type_and_one_that_breaks(shots, tmp_path):
    """uint16 images with 8-bit targets are taken by the whole of their types; a pair that breaks is passed over."""
    noisy = tmp_path / "wide"
    noisy.mkdir()
    for path in Path(shots[1]).iterdir():
        tifffile.imwrite(noisy / f"{path.stem}.tif", np.asarray(Image.open(path)).astype(np.uint16) * 16)
    (Path(shots[0]) / "3.png").write_bytes((Path(shots[0]) / "3.png").read_bytes()[:200])
    images = find_paired_images(ImageSettings(data=(str(noisy),), target=shots[0]), 64)
    images.value_range = n2n_tf.ValueRange(0, 255 * 16)
    number = next(n for n, page in enumerate(images.pages) if page.path.endswith("/3.tif"))
    for index in (number, number - 1):
        one, clean = images.pair(index)
        assert 0.03 < (one - clean).std() < 0.05
    assert images.read(number)[1] == (number + 1) % len(images)
    assert any(name.endswith("3.tif") for name in images.skipped)


@pytest.mark.parametrize(("told", "warned"), [("auto", True), ("dtype", False)])
def test_targets_in_other_units_are_named(told, warned, tmp_path, caplog):
    """8-bit pictures of 16-bit images: one by the percentiles of these, the other by the whole of its type."""
    for name, scale, dtype in (("noisy", 16, np.uint16), ("eight", 1, np.uint8)):
        (tmp_path / name).mkdir()
        for number in range(2):
            image = np.random.default_rng(number).integers(40, 90, (64, 72)) * scale
            tifffile.imwrite(tmp_path / name / f"{number}.tif", image.astype(dtype))
    settings = {"data": [str(tmp_path / "noisy")], "target": str(tmp_path / "eight"), "channels": 1, "range": [told]}
    caplog.set_level("WARNING")
    find_data(build_config({**SMALL, "noise": "none", "method": "n2c", **settings}))
    assert ("0.tif: uint8, the whole of it for 0 to 1, beside uint16 from" in caplog.text) == warned


def test_targets_that_are_means_of_exposures(tmp_path):
    """Floats in the counts of the uint16 images, which lie far outside [0, 1]."""
    clean = 800 + 300 * np.sin(np.mgrid[:96, :112][1] / 9)
    for name, image in (("noisy", np.uint16(clean + RNG.normal(0, 60, clean.shape))), ("mean", np.float32(clean))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "0.tif", image)
    settings = ImageSettings(data=(str(tmp_path / "noisy"),), target=str(tmp_path / "mean"), channels=1)
    images = find_paired_images(settings, 64)
    images.value_range = n2n_tf.ValueRange(500, 1100)
    one, target = images.pair(0)
    np.testing.assert_allclose(target[..., 0], (clean - 500) / 600, atol=1e-5)
    assert 0.09 < (one - target).std() < 0.11


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "noisier2noise", "noise": "poisson"}, "`method` noisier2noise: wants gaussian noise of one known"),
        ({"method": "noisier2noise", "sigma": [5, 50]}, "wants gaussian noise of one known level"),
        ({"method": "noisier2noise", "known_sigma": 5}, "`known_sigma` with `noise` gaussian: is for images that are"),
        ({"method": "n2c", "gamma": 1.0}, "`gamma` has no effect with `method` n2c"),
        ({"method": "n2c", "targets": 2}, "`targets` has no effect with `method` n2c"),
        (
            {"sampler": "fixed", "targets": 2},
            "`targets` has no effect with `sampler` fixed: .* `sampler` neighbors",
        ),
        ({"targets": 2, "cell": 3}, "`targets` 2 `cell` 3: every pixel has two neighbours in cells of 2×2 alone"),
        ({"cell": 3, "patch_size": 64}, "`patch_size` 64: wanted a multiple of 96.*try 96"),
        ({"target": "x"}, "`target` with `method` neighbor2neighbor and `noise` gaussian: has no effect"),
        ({"method": "noise3noise"}, "'noise3noise' is not known.*did you mean 'noise2noise'"),
    ],
)
def test_settings_that_do_not_fit_a_method(settings, text):
    with pytest.raises(UsageError, match=text):
        build_config({"data": ["x"], "noise": "gaussian", **settings})


def test_targets_that_are_wanted_are_asked_for(shots, capsys, tmp_path):
    command = ["train", "--data", shots[1], "--noise", "none", "--patch-size", "64", "--output", str(tmp_path / "run")]
    assert main([*command, "--method", "n2c"]) == 2
    assert "the method learns from clean images; say where they are, --target DIR" in capsys.readouterr().err


def test_the_formula_is_in_what_is_exported_and_served(photos, tmp_path):
    """Of noisier2noise: the run's file, its export and the network with the formula by hand give the same image."""
    run = tmp_path / "run"
    n2n_tf.train(small(photos, method="noisier2noise", epochs=1, features=2), run)
    image = np.random.default_rng(2).random((64, 96, 3)).astype(np.float32)
    denoised = n2n_tf.denoise(keras.models.load_model(run / "denoiser.keras"), image)
    network = keras.models.load_model(run / "denoiser.keras")
    inner = keras.Model(network.input, network.get_layer("noisier_twice").input)
    np.testing.assert_allclose(denoised, 2 * inner(image[None])[0].numpy() - image, atol=1e-5)
    assert main(["export", str(run), "--output", str(tmp_path / "served")]) == 0
    served = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["serving_default"]
    np.testing.assert_allclose(served(image=tf.constant(image[None]))["denoised"][0], denoised, atol=1e-5)
