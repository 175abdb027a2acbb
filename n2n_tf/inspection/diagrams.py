"""Diagrams of a report, and pictures."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from n2n_tf.evaluation.pictures import as_picture, developed
from n2n_tf.html import ends, figure, label, picture, svg
from n2n_tf.meter import Correlation, PoissonGaussian, line
from n2n_tf.meter.dct_blocks import HIGH, SIDE
from n2n_tf.meter.poisson_gaussian import flat_blocks
from n2n_tf.meter.projector import FAR

WIDTH, HEIGHT, MARGIN = 420, 280, 56
THUMBNAIL = 640  # pixels, its longer side
POINTS = 24  # of each image
SQUARE = 20  # pixels of the map of correlation


def variance_diagram(images: Sequence[np.ndarray], fitted: PoissonGaussian, span: float) -> str:
    """Variance of the noise against brightness in the flat blocks, and the line a·x + s².

    Args:
        images: float32 [H, W, C], in units of the value range.
        fitted: the line.
        span: of the value range, in the images' own units, which σ on the right is told in.
    """
    points = [_points(image) for image in images]
    found = np.concatenate([np.zeros((0, 2)), *points])
    if not len(found):
        return "<p>No flat block without clipping.</p>"
    low, high = min(0.0, float(found[:, 0].min())), max(float(found[:, 0].max()), 1e-6)
    top = 1.15 * max(float(found[:, 1].max()), float(fitted.level**2), 1e-12)

    def place(x: float, y: float) -> tuple[float, float]:
        across = MARGIN + (x - low) / (high - low) * (WIDTH - 2 * MARGIN)
        return across, HEIGHT - MARGIN + 12 - min(max(y / top, 0), 1) * (HEIGHT - MARGIN - 12)

    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in (place(*each) for each in found))
    two = [place(x, fitted.gain * x + fitted.offset) for x in (low, high)]
    drawn = f'<g class="dots">{dots}</g><line class="fit" {ends(*two)}/>'
    for share in (0.0, 0.5, 1.0):
        x, y = place(low + share * (high - low), share * top)
        drawn += label(x, HEIGHT - 24, f"{low + share * (high - low):.2f}")
        drawn += label(MARGIN - 6, y + 4, f"{share * top:.1e}" if share else "0", "end")
        drawn += label(WIDTH - MARGIN + 4, y + 4, f"σ {span * (share * top) ** 0.5:.3g}" if share else "", "start")
    drawn += f'<line class="axis" {ends(place(low, 0), place(high, 0))}/>'
    drawn += f'<line class="axis" {ends(place(low, 0), place(low, top))}/>'
    drawn += label(WIDTH / 2, HEIGHT - 6, "brightness, 0 to 1 of the range") + label(MARGIN, 10, "variance", "start")
    return svg(WIDTH, HEIGHT, "Variance against brightness", drawn)


def correlation_map(found: Correlation) -> str:
    """ρ up to a distance of 8: blue above 0, red below, the strongest colour at 0.5."""
    whole = np.concatenate([found.rho[:0:-1, ::-1], found.rho])
    if not np.isfinite(whole).all():
        return "<p>Too little flat area.</p>"
    squares = ""
    for (row, column), rho in np.ndenumerate(whole):
        down, right = row - FAR, column - FAR
        squares += (
            f'<rect x="{column * SQUARE}" y="{row * SQUARE}" width="{SQUARE}" height="{SQUARE}" fill="{_color(rho)}">'
            f"<title>{down} down, {right} right: {rho:.3f}</title></rect>"
        )
        if max(abs(down), abs(right)) <= 1:
            squares += label(
                (column + 0.5) * SQUARE, (row + 0.65) * SQUARE, f"{rho + 0.0:.1f}".replace("-0.0", "0.0"), kind="rho"
            )
    side = SQUARE * (2 * FAR + 1)
    squares += f'<rect class="frame" width="{side}" height="{side}"/>'
    return svg(side, side, "Correlation between neighbours", squares)


def thumbnail(image: np.ndarray, kind: str) -> str:
    """The image, its flat blocks marked.

    Args:
        image: float32 [H, W, C] in units of the value range.
        kind: of images.
    """
    blocks, flat = flat_blocks(image)
    places = blocks.place[flat] if len(flat) else np.zeros((0, 2), int)
    whole = _picture(image, kind)
    scale = min(1.0, THUMBNAIL / max(whole.size))
    small = whole.resize([max(1, round(side * scale)) for side in whole.size]).convert("RGB")
    draw = ImageDraw.Draw(small)
    for row, column in places * scale:
        draw.rectangle((column, row, column + SIDE * scale - 1, row + SIDE * scale - 1), outline=(255, 120, 0))
    return picture(small, f"The first image, with the {len(flat)} flat blocks that were used")


def removed(noisy: np.ndarray, denoised: np.ndarray, left: np.ndarray, kind: str) -> str:
    """The middle of an image before and after, and what was removed, 4 σ of it as black and white."""
    middle = tuple(slice(max(0, side // 2 - 128), side // 2 + 128) for side in noisy.shape[:2])
    scale = 8 * max(float(left.std()), 1e-9)
    shown = developed({"noisy": noisy[middle], "denoised": denoised[middle]}, kind)
    planes = left[middle] if left.shape[-1] in (1, 3) else left[middle].mean(-1, keepdims=True)
    pictures = {**shown, "removed": np.clip(0.5 + planes / scale, 0, 1)}
    return "".join(figure(picture(as_picture(each), name), name) for name, each in pictures.items())


def _points(image: np.ndarray) -> np.ndarray:
    """Brightness and variance of groups of flat blocks, [n, 2]."""
    blocks, flat = flat_blocks(image)
    if not len(flat):
        return np.zeros((0, 2))
    return line.grouped(blocks.at[flat].ravel(), blocks.high[flat].ravel(), int(HIGH.sum()), POINTS)[:, :2]


def _picture(image: np.ndarray, kind: str) -> Image.Image:
    return as_picture(next(iter(developed({"": image}, kind).values())))


def _color(rho: float) -> str:
    share = min(abs(float(rho)) / 0.5, 1.0)
    far = np.array((33, 102, 172) if rho > 0 else (178, 24, 43))
    return "#" + "".join(f"{round(value):02x}" for value in 255 + share * (far - 255))
