"""A row of the report: what was measured of one file, in words and figures of a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from n2n_tf.inspection.image_noise import ImageNoise
from n2n_tf.meter import Correlation, Gain
from n2n_tf.meter.projector import FAR

CORRELATED = {True: "yes", False: "no", None: "too little flat area"}


def row(
    file: str, noises: Mapping[str, ImageNoise], gain: Gain | None, obstacles: Sequence[str], notes: Sequence[str]
) -> dict[str, str]:
    """The cells that are known, by name of `COLUMNS`.

    Args:
        file: that was denoised.
        noises: of its kinds of images, by name.
        gain: of those images together whose error was estimated; None if there are none.
        obstacles: why that of others was not.
        notes: what to know besides.
    """
    known = {name: noise for name, noise in noises.items() if noise.measured.complete}
    cells = {"file": file, **_noise(list(known.values())), **_neighbours(list(noises.values())), "valid": "no"}
    if gain and gain.valid:
        pairs = {"psnr_before": (gain.before, gain.before_error), "psnr_after": (gain.psnr, gain.psnr_error)}
        cells |= {**_with_errors(pairs), "valid": "in part" if obstacles else "yes", "images": str(gain.images)}
    lines = [part.line for noise in noises.values() for part in noise.parts]
    told = [*obstacles, *notes, *_each(known), *(note for line in lines if line for note in line.notes)]
    told += gain.notes if gain else ()
    return {**{name: text for name, text in cells.items() if text}, "notes": "; ".join(dict.fromkeys(told))}


def _noise(noises: Sequence[ImageNoise]) -> dict[str, str]:
    """Means over what was measured alone; of σ the root of the mean of its square."""
    parts = [(part, noise.scale.span) for noise in noises for part in noise.parts if part.sigma is not None]
    lines = [part.line for part, _ in parts if part.line]
    if not parts:
        return {}
    sigmas = np.array([part.sigma for part, _ in parts], float)
    spans = np.array([span for _, span in parts])
    errors = np.array([part.sigma_error or np.nan for part, _ in parts])
    errors[~np.isfinite(errors)] = np.nan
    sigma = _root(sigmas * spans)
    error = float(np.sqrt(np.square(sigmas * errors * spans**2).sum()) / (len(parts) * sigma)) if sigma else np.nan
    gains = [(line.gain, line.gain_error) for line in lines if np.isfinite(line.gain_error)]
    offsets = [(line.offset, line.offset_error) for line in lines if np.isfinite(line.gain_error)]
    pairs = {"sigma": (sigma, error), "a": _mean(gains), "s2": _mean(offsets)}
    return {**_with_errors(pairs), "sigma_of_255": _cell(255 * _root(sigmas))}


def _neighbours(noises: Sequence[ImageNoise]) -> dict[str, str]:
    """Of the part where neighbours share most."""
    found = [noise.correlation for noise in noises if noise.correlation]
    if not found:
        return {}
    worst = max(found, key=lambda each: (bool(each.correlated), each.correlated is None))
    return {**_with_errors({"rho_right": _at(worst, 0, 1), "rho_below": _at(worst, 1, 0)}),
            "correlated": CORRELATED[worst.correlated]}  # fmt: skip


def _at(found: Correlation, down: int, right: int) -> tuple[float, float]:
    return float(found.rho[down, FAR + right]), float(found.error[down, FAR + right])


def _each(noises: Mapping[str, ImageNoise]) -> list[str]:
    """What is a mean in the row, one by one."""
    parts = [(name, part) for name, noise in noises.items() for part in noise.parts]
    if len(parts) < 2:
        return []
    each = [f"{' '.join(word for word in (name, part.name) if word not in ('', 'all'))} {255 * part.sigma:.3g}"
            for name, part in parts if part.sigma is not None]  # fmt: skip
    return [f"means of what was measured alone, sigma_of_255: {', '.join(each)}"]


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    if not pairs:
        return np.nan, np.nan
    values, errors = np.array(pairs).T
    return float(values.mean()), float(np.sqrt(np.square(errors).sum()) / len(errors))


def _root(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _with_errors(pairs: dict[str, tuple[float, float]]) -> dict[str, str]:
    return {key: _cell(value) for name, pair in pairs.items()
            for key, value in zip((name, f"{name}_error"), pair, strict=True)}  # fmt: skip


def _cell(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""
