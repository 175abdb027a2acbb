"""What came of a run, in sentences."""

import math
from collections.abc import Mapping
from typing import Any


def sentences(report: Mapping[str, Any]) -> list[str]:
    """Of a report: what was gained on which images, and what was kept."""
    scores, images = report["scores"], f"{report['scored_images']} images"
    if "psnr" in scores:
        told = [f"{images}: noisy {scores['noisy_psnr']:.2f} dB, denoised {scores['psnr']:.2f} dB (PSNR)"]
    elif "estimated_psnr" in scores:
        before, after = (_with_error(scores, name) for name in ("estimated_noisy_psnr", "estimated_psnr"))
        told = [f"{images}: noisy {before}, denoised {after} (PSNR, estimated without clean images)"]
    else:
        told = [f"{images}: reconstruction {scores['reconstruction']:.6f}"]
    if report.get("kept_start"):
        told.append("no epoch was better than the weights that it started from, which are kept")
    if report.get("kept_first_stage"):
        told.append("the second stage was not better than the first, which is kept")
    return told


def _with_error(scores: Mapping[str, float], name: str) -> str:
    error = scores[f"{name}_error"]  # not a number for one image that is small
    return f"{scores[name]:.2f}" + (f" ± {error:.2f}" if math.isfinite(error) else "") + " dB"
