"""The report as text."""

import textwrap

import numpy as np

from n2n_tf.config.kinds import MOSAIC
from n2n_tf.inspection.gains import LEFT
from n2n_tf.inspection.measure import Part, distance_for
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.verdict import spelled
from n2n_tf.meter import Artefact, Gain
from n2n_tf.meter.projector import FAR

WIDTH, INDENT = 100, 13
MORE = 1.1  # times the noise: what is removed beyond it is image
FITS = {True: "the method fits", False: "the method does not fit", None: "cannot tell whether the method fits"}
ARTEFACTS = {  # what they are, to somebody who has not heard of them
    "clipping": "clipping: values cut off at black or white, where noise no longer has a mean of 0",
    "quantisation": "coarse steps: the steps between values are larger than the noise",
    "jpeg_grid": "JPEG's grid of 8×8 blocks",
    "jpeg_steps": "JPEG's rounding of frequencies",
    "periodic_lines": "stripes: rows or columns that repeat",
    "hot_pixels": "hot or dead pixels",
    "repeated_pixels": "repeated pixels: made larger without interpolation",
}


def text(report: Report) -> str:
    """A short report for people."""
    lines = [_wrapped(title, content) for title, content in blocks(report)]
    command = report.verdict.command
    return "\n".join([*lines, *([f"\n  {command}"] if command else [])])


def blocks(report: Report) -> list[tuple[str, str]]:
    """The same but for the command: titles, and what stands there, each one line."""
    blocks = [("images", _images(report))]
    for part in report.parts:
        name = "" if part.name == "all" else f"{part.name}: "
        blocks.append(("noise", name + noise(part, report.looked.scale.span)))
        blocks += [("neighbours", name + neighbours(part))] if part.model != "none" else []
    blocks.append(("artefacts", artefacts(report)))
    if report.model:
        blocks.append(("denoiser", denoiser(report)))
    if report.shots:
        blocks.append(("shots", gain(report.shots, report.model is not None)))
    verdict = report.verdict
    return [*blocks, ("verdict", f"{FITS[verdict.fits]}: {'; '.join(verdict.reasons)}"), ("next", verdict.advice)]


def brief(report: Report) -> str:
    """The noise, in one line."""
    span = report.looked.scale.span
    each = [("" if part.name == "all" else f"{part.name}: ") + noise(part, span) for part in report.parts]
    return f"noise: {'; '.join(each)}"


def decided(report: Report) -> str:
    """The verdict, in one line."""
    return f"{FITS[report.verdict.fits]}: {'; '.join(report.verdict.reasons)}"


def noise(part: Part, span: float) -> str:
    """What the noise of one kind of channel is."""
    line, sigma = part.line, part.sigma
    if line is None or sigma is None:
        return f"cannot be measured: {'; '.join(dict.fromkeys(part.failures.values()))}"
    if part.model == "none":
        return f"none to speak of: σ {_figure(255 * sigma)} of 255, steps of {_figure(255 * part.step)}"
    error = None if part.sigma_error is None else span * part.sigma_error
    level = f"σ {_with_error(span * sigma, error)} in the images' units ({_figure(255 * sigma)} of 255 of the range)"
    notes = "".join(f"; {note}" for note in line.notes)
    if part.model == "correlated":
        return f"shared by neighbours, {level}"
    if part.model == "gaussian":
        return f"Gaussian, the same at every brightness: {level}{notes}"
    return (
        f"grows with brightness, as photons do: variance a·x + s², a {line.gain:.3g} ± {line.gain_error:.1g} "
        f"({1 / line.gain:.3g} photons at 1), s² {line.offset:.2g} ± {line.offset_error:.1g}; at brightness "
        f"{line.brightness:.2f} {level}{notes}"
    )


def neighbours(part: Part) -> str:
    """Whether they share noise."""
    found = part.correlation
    if found is None:
        return f"cannot be measured: {part.failures['correlation']}"
    if not np.isfinite(found.rho).all():
        return "too little flat area to tell whether they share noise"
    right, below = ((found.rho[at], found.error[at]) for at in ((0, FAR + 1), (1, FAR)))
    rho = f"{right[0]:.3f} ± {right[1]:.3f} right and {below[0]:.3f} ± {below[1]:.3f} below"
    distance = distance_for([part])
    reach = f"at most 0.1 between pixels {spelled(distance)}" if distance else "reaching beyond 5 pixels"
    what = f"independent, correlation {rho}"
    if found.correlated:
        what = f"share noise, correlation {rho}, {reach}"
    elif found.correlated is None:
        what = f"too little flat area to tell ({found.blocks} blocks); read, with texture in it, {rho}"
    others = found.channels[~np.eye(len(found.channels), dtype=bool)]
    return what + (f"; between channels at most {np.abs(others).max():.2f}" if others.size else "")


def artefacts(report: Report) -> str:
    """Those that the set has."""
    found: dict[str, list[tuple[str, Artefact]]] = {}
    for part in report.parts:
        for each in part.marked():
            found.setdefault(each.name, []).append((part.name, each))
    return "; ".join(_artefact(name, where) for name, where in found.items()) or "none found"


def _artefact(name: str, where: list[tuple[str, Artefact]]) -> str:
    worst = max((each for _, each in where), key=lambda each: each.present)
    count = f" (in {worst.present} of {worst.images} images)" if worst.images > 1 else ""
    parts = "" if where[0][0] == "all" else f" ({', '.join(part for part, _ in where)})"
    return ARTEFACTS[name] + count + parts


def denoiser(report: Report) -> str:
    """What it gains, and what it takes away."""
    texts = ["its gain cannot be estimated: no noise could be measured"]
    if report.gain:
        texts = [gain(report.gain, True)]
    if report.residual:
        left = report.residual.with_image
        noise_sigma = max((part.sigma or 0.0 for part in report.parts), default=0.0)
        lost = abs(left) > LEFT or report.residual.sigma > MORE * noise_sigma
        structure = "structure goes with the noise" if lost else "no sign that structure goes with the noise"
        sigma = 255 * report.residual.sigma
        like = f"a correlation of {left:.2f} with the result"
        texts.append(f"what it removes has σ {_figure(sigma)} of 255 and {like}: {structure}")
    return "; ".join(texts)


def gain(found: Gain, after: bool) -> str:
    """PSNR before, and after."""
    if not found.valid:
        return "; ".join(found.notes)
    values = f"estimated PSNR {found.before:.2f} ± {found.before_error:.2f} dB before"
    if after:
        values += f", {found.psnr:.2f} ± {found.psnr_error:.2f} dB after"
    return "; ".join([f"{values} ({found.images} images)", *found.notes])


def _images(report: Report) -> str:
    looked, settings = report.looked, report.looked.settings
    kind = "raw mosaics, each colour alone" if settings.image_kind == MOSAIC else settings.image_kind
    some = f"{len(looked.stored)} of {looked.found}" if looked.found > len(looked.stored) else f"{len(looked.stored)}"
    cut = ", of large ones the middle" if looked.cut else ""
    channels = f", {settings.channels} channels" if settings.image_kind == "channels" else ""
    unused = f"; {len(looked.skipped)} files cannot be used" if looked.skipped else ""
    return (
        f"{some} {looked.unit} looked at ({kind}{channels}, {looked.stored[0].dtype}, {looked.megapixels:.3g} "
        f"megapixels{cut}); {looked.scale} counts as 0 to 1{unused}"
    )


def _figure(value: float) -> str:
    """Three digits."""
    return f"{value:.3g}"


def _with_error(value: float, error: float | None) -> str:
    """A value to the place of the first digit of its error."""
    if error is None or not np.isfinite(error) or error <= 0:
        return _figure(value)
    places = max(0, -int(np.floor(np.log10(error))))
    return f"{value:.{places}f} ± {error:.{places}f}"


def _wrapped(title: str, content: str) -> str:
    return textwrap.fill(content, WIDTH, initial_indent=title.ljust(INDENT), subsequent_indent=" " * INDENT,
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip
