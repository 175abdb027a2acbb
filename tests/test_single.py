"""One image and what a denoiser made of it, against the truth of its scene."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from n2n_tf.inspection.sentence import sentence
from n2n_tf.inspection.single import inspect_single, numbers
from tests.scenes import blurred, gaussian, mixed, rounded, scene

SIGMA = 20


def smooth(image):
    return gaussian_filter(image, (1, 1, 0)).astype(np.float32)


def found_of(noisy, names=("all",), denoiser=smooth):
    return inspect_single(noisy, names, noisy, denoiser(noisy), denoiser)


def psnr(one, other):
    return -10 * np.log10(np.mean(np.square(one - other, dtype=float)))


def test_white_noise_against_the_truth_and_in_words():
    clean = scene(texture=0.1)
    noisy = gaussian(clean, SIGMA)
    found = found_of(noisy)
    values = numbers(found.parts[0])
    assert values["sigma"] == pytest.approx(SIGMA, rel=0.03)
    assert values["offset"] == pytest.approx((SIGMA / 255) ** 2, rel=0.1)
    assert max(abs(values["right"]), abs(values["below"])) < 0.03
    assert found.obstacle == ""
    assert found.gain.before == pytest.approx(psnr(noisy, clean), abs=0.2)
    assert found.gain.psnr == pytest.approx(psnr(smooth(noisy), clean), abs=0.3)
    text = sentence(found)
    assert text.startswith(f"Noise: σ {values['sigma']:.3g} of 255, not shared by neighbouring pixels. Estimated PSNR ")
    assert f"{found.gain.before:.2f} → {found.gain.psnr:.2f} ± " in text
    assert "worse" not in text


def test_cut_off_values_do_not_count():
    """8 bits, parts of the picture near black: their noise is less than the line says, and the error would be too."""
    clean = scene(texture=0.1) - 0.08
    noisy = rounded(gaussian(clean, SIGMA))
    assert 0.02 < np.mean(noisy == 0) < 0.2
    clean, denoised, found = clean.clip(0, 1), smooth(noisy), found_of(noisy)
    counts = clean > 3 * SIGMA / 255
    true = -10 * np.log10(np.mean(np.square(denoised - clean, dtype=float)[counts]))
    assert found.gain.psnr == pytest.approx(true, abs=0.3)
    assert "cut off at black or white" in found.gain.notes[-1]


def test_a_picture_that_is_nearly_all_cut_off_is_told_apart():
    clean = np.full((512, 320, 3), -0.2, np.float32)
    clean[:40] = 0.5
    found = found_of(rounded(gaussian(clean, SIGMA)))
    assert found.gain is None
    assert found.obstacle.startswith("nearly all values are cut off at black or white")


def test_shared_noise_has_no_estimate_and_the_model_is_not_called():
    noisy = blurred(scene(texture=0.1), SIGMA)
    found = inspect_single(noisy, ("all",), noisy, smooth(noisy), lambda image: pytest.fail("it was called"))
    assert found.gain is None
    assert "gain" not in numbers(found.parts[0])
    assert numbers(found.parts[0])["right"] > 0.2
    text = sentence(found)
    assert "shared by neighbouring pixels (correlation 0." in text
    assert "What was gained cannot be estimated: neighbouring pixels share noise, ρ 0." in text


def test_what_makes_it_worse_is_said():
    noisy = gaussian(scene(texture=0.1), SIGMA)
    found = found_of(noisy, denoiser=lambda image: np.full_like(image, 0.5))
    assert found.gain.psnr < found.gain.before
    assert sentence(found).endswith("by this the result is worse than the picture was.")


@pytest.mark.parametrize(
    ("noisy", "said"),
    [
        (np.full((128, 128, 3), 0.5, np.float32), "hardly any, σ 0 of 255"),
        (mixed(scene(texture=0.1), 0.02, 2), "more where it is brighter"),
        (
            rounded(gaussian(scene(texture=0.1) ** 2 * 1.1, 30)),
            "cannot be measured: nothing in it is both flat",
        ),
        (gaussian(scene(side=(128, 128), texture=0.9), SIGMA), "too little flat area"),
    ],
)
def test_other_pictures_in_words(noisy, said):
    assert said in sentence(found_of(noisy))


def test_a_jpeg_keeps_too_little_noise_to_be_read():
    file = io.BytesIO()
    pixels = (rounded(gaussian(scene(texture=0.1), SIGMA)) * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    found = found_of((np.asarray(Image.open(file)) / 255).astype(np.float32))
    assert numbers(found.parts[0]) == {}
    text = "Noise: not measured. What was gained cannot be estimated: JPEG has changed the noise."
    assert sentence(found) == text


def test_planes_are_measured_alone():
    clean = scene(4, texture=0.0)
    noisy = np.concatenate([gaussian(clean[..., c : c + 1], 10 + 5 * c, c) for c in range(4)], 2)
    found = found_of(noisy, ("R", "G1", "G2", "B"))
    for number, part in enumerate(found.parts):
        assert part.name == ("R", "G1", "G2", "B")[number]
        assert numbers(part)["sigma"] == pytest.approx(10 + 5 * number, rel=0.06)
    assert found.gain.psnr == pytest.approx(psnr(smooth(noisy), clean), abs=0.3)
    assert sentence(found).startswith("Noise: R σ ")
