"""What commands do, from Python: files and scores."""

import numpy as np
import pytest
from conftest import identity, negative
from PIL import Image

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.noise import Gaussian

RNG = np.random.default_rng(0)


def test_files_from_python(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (33, 40), np.uint8)
    for name in ("a", "b"):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    outcome = n2n_tf.denoise_files(negative(1), tmp_path, tmp_path / "out")
    assert outcome.written == {str(tmp_path / f"{name}.png"): str(tmp_path / f"out/{name}.png") for name in "ab"}
    assert list(outcome.failed) == [str(tmp_path / "broken.png")]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), 255 - image)
    again = n2n_tf.denoise_files(negative(1), [tmp_path / "a.png"], tmp_path / "out", tile=64)
    assert (again.written, again.kept) == ({}, [str(tmp_path / "out/a.png")])
    with pytest.raises(UsageError, match="no `output`: name a folder, or give a `suffix`"):
        n2n_tf.denoise_files(negative(1), tmp_path)


def test_scores_from_python(tmp_path):
    clean = RNG.integers(0, 256, (40, 33), np.uint8)
    for name, image in (("clean", clean), ("noisy", 255 - clean)):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / f"{name}/a.png")
    results = n2n_tf.evaluate(negative(1), noisy=tmp_path / "noisy", clean=tmp_path / "clean")
    assert results.summary("denoised")["noisy"]["psnr"] == 100
    assert results.summary("noisy")["noisy"]["psnr"] == pytest.approx(
        -10 * np.log10(np.mean((1 - 2 * (clean / 255)) ** 2)), abs=1e-6
    )
    results = n2n_tf.evaluate({"same": identity(1)}, tmp_path / "clean", Gaussian(0.1), protocol="float", repeats=2)
    assert results.summary("same")["clean"]["psnr"] == pytest.approx(20, abs=0.7)  # clipped
    with pytest.raises(UsageError, match="wanted `data`"):
        n2n_tf.evaluate(identity(1), tmp_path / "clean")


def test_settings_that_would_have_no_effect(tmp_path):
    Image.new("L", (40, 33)).save(tmp_path / "a.png")
    with pytest.raises(TypeError, match="tile: have no effect, the Denoiser has its own"):
        n2n_tf.denoise_files(n2n_tf.Denoiser(identity(1)), tmp_path, tmp_path / "out", tile=64)


@pytest.mark.parametrize("models", [{}, {"noisy": None}])
def test_models_that_cannot_be_scored(models, tmp_path):
    with pytest.raises(UsageError, match="wanted one at least, and none named 'noisy'"):
        n2n_tf.evaluate(models, noisy=tmp_path, clean=tmp_path)
