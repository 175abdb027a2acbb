import json
import logging
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.files import write
from n2n_tf.training import begin
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.data import find_data
from n2n_tf.training.presets import build_config
from n2n_tf.training.settings import RunSettings
from n2n_tf.training.workers import Workers
from tests.runs import ROOT, flags, rows, small, state, trained

pytestmark = pytest.mark.usefixtures("two_layers")


def test_a_run_leaves_what_it_promises(photos, tmp_path):
    out = tmp_path / "run"
    report = n2n_tf.train(small(photos, ema=0.9, network="residual_unet"), out)
    assert {path.name for path in out.iterdir()} == {
        "config.json", "images.json", "checkpoints", "denoiser.keras", "denoiser.weights.h5", "history.csv",
        "tensorboard", "samples", "report.json", "report.html",
    }  # fmt: skip
    assert json.loads((out / "report.json").read_text()) == report
    assert report["scores"]["noisy_psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
    assert [int(row["epoch"]) for row in rows(out)] == [0, 1]
    assert {"loss", "reconstruction", "regularizer", "gamma", "psnr", "val_psnr"} <= set(rows(out)[0])
    assert max(float(row["val_psnr"]) for row in rows(out)) == pytest.approx(report["scores"]["psnr"])
    assert {path.name for path in (out / "samples").iterdir()} == {"epoch_001.png", "epoch_002.png", "before_after.png"}
    network = keras.models.load_model(out / "denoiser.keras")
    assert network.input_shape == (None, None, None, 3)
    tags = {
        (path.relative_to(out / "tensorboard").parts[0], value.tag)
        for path in (out / "tensorboard").rglob("*.v2")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {
        ("pictures", "noisy"), ("pictures", "denoised"), ("pictures", "clean"), ("train", "epoch_loss"),
        ("validation", "epoch_psnr"),
    } <= tags  # fmt: skip
    (out / "denoiser.keras").write_text("damaged")
    with pytest.raises(UsageError, match=f"{out}/denoiser.keras: not a .keras file"):
        begin.resume(out)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "none", "channels": 3},
        {"noise": "poisson", "noise_once": True},
        {
            "noise": "poisson",
            "lam": [5, 50],
            "optimizer": "adamw",
            "learning_rate_schedule": "cosine",
            "warmup_steps": 3,
        },
        {"sigma": [5, 50], "gamma_schedule": "constant", "mixed_precision": "bfloat16", "jit_compile": "off"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_other_settings_run(photos, tmp_path, settings):
    report = n2n_tf.train(small(photos, **{**settings, "epochs": 1}), tmp_path / "run")
    assert report["scores"]
    assert all(np.isfinite(score) for score in report["scores"].values())
    clean_known = settings.get("noise") != "none"
    assert ("val_psnr" if clean_known else "val_reconstruction") in rows(tmp_path / "run")[0]
    assert ("psnr" in rows(tmp_path / "run")[0]) == clean_known


def test_training_on_noisy_images_alone_denoises(tmp_path):
    """300 small steps on flat images: far better than the noisy images, without one clean image in the loss."""
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = tmp_path / "noisy"
    folder.mkdir()
    clean = np.full((4, 96, 96), 0.5) + np.linspace(-0.3, 0.3, 96)
    noisy = clean + rng.normal(0, 0.1, clean.shape)
    for number, image in enumerate(np.uint8(np.clip(noisy, 0, 1) * 255 + 0.5)):
        Image.fromarray(image).save(folder / f"{number}.png")
    config = build_config(
        {"data": [str(folder)], "noise": "none", "channels": 1, "features": 8, "patch_size": 64, "epochs": 3,
         "steps_per_epoch": 100, "learning_rate": 2e-3}
    )  # fmt: skip
    n2n_tf.train(config, tmp_path / "run")
    network = keras.models.load_model(tmp_path / "run" / "denoiser.keras")
    denoised = n2n_tf.denoise(network, noisy[..., None].astype(np.float32))[..., 0]
    before, after = (np.mean((image - clean) ** 2) for image in (noisy, denoised))
    assert after < before / 10, f"mean squared error {before:.5f} before, {after:.5f} after"


def test_a_directory_with_a_run_is_not_touched(photos, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text("mine")
    with pytest.raises(UsageError, match="holds a run already; continue it with `resume`"):
        n2n_tf.train(small(photos), out)
    assert [path.name for path in out.iterdir()] == ["config.json"]


def test_averages_equal_a_loop_and_leave_the_weights_alone():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    average = AverageWeights(network, 0.9)
    expected = [w.copy() for w in network.get_weights()]
    for step in range(1, 200):
        current = [w + 1 for w in network.get_weights()]
        network.set_weights(current)
        average.on_train_batch_end(0)
        momentum = min(0.9, step / (step + 10))
        expected = [momentum * e + (1 - momentum) * w for e, w in zip(expected, current, strict=True)]
    for weight, value in zip(network.get_weights(), current, strict=True):
        np.testing.assert_array_equal(weight, value)
    average.copy_to(network)
    for weight, value in zip(network.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-5)


def test_images_are_held_out_when_none_are_given(photos, caplog):
    with caplog.at_level(logging.INFO):
        training, held_out = find_data(small(photos))
    assert (len(training), len(held_out)) == (11, 1)
    assert held_out.pages[0] not in training.pages
    assert "1 images of `data` are held out" in caplog.text
    few = small(photos / "0[0-3]*")
    training, held_out = find_data(few)
    assert training.pages == held_out.pages
    assert len(find_data(small(photos, val_data=[str(photos)]))[1]) == 12


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


MIRRORED = """
    import sys
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from n2n_tf.cli.main import main
    from n2n_tf.networks import NETWORKS
    from tests.runs import two_layers
    NETWORKS["two_layers"] = two_layers
    for strategy in ("mirrored", "none"):
        if status := main([*sys.argv[2:], "--strategy", strategy, "--output", f"{sys.argv[1]}/{strategy}"]):
            sys.exit(status)
"""


def test_a_mirrored_run_equals_one_on_one_device(photos, tmp_path):
    command = ["train", *flags(photos, ema=0.9, epochs=1, steps_per_epoch=3, learning_rate=1e-4)]
    process = [sys.executable, "-c", textwrap.dedent(MIRRORED), str(tmp_path), *command]
    subprocess.run(process, check=True, capture_output=True, cwd=ROOT)
    mirrored, one = (state(tmp_path / strategy) for strategy in ("mirrored", "none"))
    averages = [name for name in one if name.startswith(("weights/average", "clipping"))]
    assert len(averages) == 5
    for name in averages:
        np.testing.assert_allclose(mirrored[name], one[name], atol=1e-5, err_msg=name)
    for several, single in zip(*(trained(tmp_path / strategy) for strategy in ("mirrored", "none")), strict=True):
        np.testing.assert_allclose(several, single, atol=1e-5)
    losses = [float(rows(tmp_path / strategy)[0]["loss"]) for strategy in ("mirrored", "none")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_strategy_wants_a_batch_that_divides(monkeypatch, photos):
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [tf.config.LogicalDevice(f"CPU:{i}", "CPU") for i in range(3)]
    )
    with pytest.raises(UsageError, match="`batch_size` 2: wanted a multiple of the 3 devices; try 3"):
        Workers(RunSettings(strategy="mirrored"), 2).join()


DEVICES = """
    import logging, sys
    import tensorflow as tf
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    from n2n_tf.training.settings import RunSettings
    from n2n_tf.training.workers import Workers
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    for batch in sys.argv[1:]:
        workers = Workers(RunSettings(), int(batch))
        workers.join()
        print(f"batches of {batch}: {workers.strategy.num_replicas_in_sync} devices")
"""


def test_auto_takes_as_many_devices_as_divide_the_batch():
    cases = {4: 2, 3: 3, 6: 3, 1: 1, 5: 1}
    command = [sys.executable, "-c", textwrap.dedent(DEVICES), *map(str, cases)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for batch, devices in cases.items():
        assert f"batches of {batch}: {devices} devices\n" in said
        few = f"`batch_size` {batch} does not divide among 3 devices: {devices} of them train; a multiple of 3"
        assert (f"{few} takes all\n" in said) == (devices < 3)
