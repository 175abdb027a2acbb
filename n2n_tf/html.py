"""Pages for people: one HTML file, which asks for no other."""

import base64
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from n2n_tf.files import write

SIDE = 640  # pixels of a slider's pictures: the middle of larger ones
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 220, 66, 12, 24, 40  # of a curve
LOGARITHMIC = 30  # largest value over smallest from which a curve's axis is
STYLE = """
:root { color-scheme: light dark; --text: #222; --soft: #555; --line: #ddd; --box: #f5f5f5; }
:root { --one: #2166ac; --two: #b2182b; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ddd; --soft: #aaa; --line: #444; --box: #222; --one: #6ab0f3; --two: #f4837a; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; overflow-wrap: anywhere; }
h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid var(--line); }
.verdict { padding: .8em 1em; border-left: .4em solid #999; background: var(--box); }
.true { border-color: #2a7f3f; } .false { border-color: #b2182b; }
pre { background: var(--box); padding: .8em 1em; overflow-x: auto; white-space: pre-wrap; font-size: 12px; }
pre { overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }
figure { margin: 0; max-width: 100%; } figcaption { max-width: 42em; color: var(--soft); font-size: .9em; }
img { max-width: 100%; height: auto; image-rendering: pixelated; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15em 1em .15em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } summary { cursor: pointer; }
svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg text.rho { font-size: 9px; fill: #000; } .frame { fill: none; stroke: #bbb; }
.dots { fill: var(--one); fill-opacity: .55; } .fit { stroke: var(--two); stroke-width: 2; } .axis { stroke: #888; }
.curve { fill: none; stroke: var(--one); stroke-width: 1.5; } .best { fill: var(--two); }
.slider { --split: 50%; } .slider input { width: 100%; margin: .3em 0 0; }
.slider > div { position: relative; line-height: 0; } .slider img { width: 100%; }
.slider div img + img { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--split)); }
"""
SCRIPT = """
for (const input of document.querySelectorAll(".slider input")) {
  const show = () => {
    const [left, right] = input.dataset.names.split("|");
    input.parentElement.style.setProperty("--split", input.value + "%");
    input.setAttribute("aria-valuetext", `${input.value} % ${left}, ${100 - input.value} % ${right}`);
  };
  input.addEventListener("input", show);
  show();
}
"""


def page(title: str, body: Iterable[str]) -> str:
    """A page with its heading; what loads anything from elsewhere is forbidden."""
    script = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script}'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style>'
    )
    content = "".join(body)
    script = f"<script>{SCRIPT}</script>" if 'class="slider"' in content else ""
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{content}{script}'
        "</body></html>\n"
    )


def write_page(path: Path, content: str) -> Path:
    """Write it whole; names of files in it need not be UTF-8."""
    data = content.encode("utf-8", "backslashreplace")
    write(path, lambda temporary: temporary.write_bytes(data))
    return path


def figure(content: str, caption: str) -> str:
    """With a caption below."""
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def table(rows: Sequence[Sequence[str]], head: bool = True) -> str:
    """Rows of texts; the first one is the head, if there is one."""

    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(each)}</{tag}>' for each in cells)}</tr>"

    lines = (line(cells, "th" if head and not number else "td") for number, cells in enumerate(rows))
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def picture(image: Image.Image, alt: str, kind: str = "PNG") -> str:
    """As PNG, or as JPEG for what need not be exact."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 90, "subsampling": 0} if kind == "JPEG" else {}))
    data = base64.b64encode(file.getvalue()).decode()
    size = f'width="{image.width}" height="{image.height}"'
    return f'<img src="data:image/{kind.lower()};base64,{data}" {size} alt="{escape(alt)}">'


def slider(before: Image.Image, after: Image.Image, names: tuple[str, str]) -> str:
    """Two pictures of one size, one upon the other; keys move what divides them.

    Args:
        before, after: gray or RGB.
        names: of both.
    """
    size = tuple(min(side, SIDE) for side in before.size)
    left, top = ((side - kept) // 2 for side, kept in zip(before.size, size, strict=True))
    parts = [each.crop((left, top, left + size[0], top + size[1])) for each in (before, after)]
    width = size[0] * max(1, SIDE // 2 // size[0])  # small ones enlarged
    shown = "".join(picture(part, name, "JPEG") for part, name in zip(parts, names, strict=True))
    whole = "" if size == before.size else f", the middle of {before.width}×{before.height} pixels"
    return (
        f'<figure class="slider" style="width: {width}px"><div>{shown}</div>'
        f'<input type="range" value="50" data-names="{escape("|".join(names))}" '
        f'aria-label="{escape(names[0])} to the left of it, {escape(names[1])} to the right">'
        f"<figcaption>{escape(names[0])} | {escape(names[1])}{whole}</figcaption></figure>"
    )


def curve(points: Sequence[tuple[float, float]], title: str, over: str, best: int | None = None) -> str:
    """A diagram of values; those that are no numbers are left out.

    Args:
        points: (what they are over, value).
        title: what the values are.
        over: what they are over.
        best: the index of the point that counts, if one does.
    """
    known = [(x, y) for x, y in points if math.isfinite(y)]
    if not known:
        return ""
    xs, ys = zip(*known, strict=True)
    log = min(ys) > 0 and max(ys) / min(ys) > LOGARITHMIC
    scale = math.log10 if log else float
    low, high = scale(min(ys)), scale(max(ys))
    first, last = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (scale(y) - low) / (high - low) if high > low else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    places = [place(*each) for each in known]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = f'<polyline class="curve" points="{path}"/>'
    if len(places) == 1:
        drawn += '<circle class="best" cx="{:.1f}" cy="{:.1f}" r="3"/>'.format(*places[0])
    elif best is not None and math.isfinite(points[best][1]):
        x, y = place(*points[best])
        drawn += f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        left = x > WIDTH / 2
        drawn += label(
            x + (-6 if left else 6), max(y - 6, TOP - 2), f"{points[best][1]:.4g}", "end" if left else "start"
        )
    drawn += f'<line class="axis" {ends((LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM))}/>'
    drawn += f'<line class="axis" {ends((LEFT, TOP), (LEFT, HEIGHT - BOTTOM))}/>'
    for y in dict.fromkeys((min(ys), max(ys))):
        drawn += label(LEFT - 6, place(first, y)[1] + 4, f"{y:.4g}", "end")
    for x in dict.fromkeys((first, last)):
        drawn += label(place(x, ys[0])[0], HEIGHT - BOTTOM + 14, f"{x:g}")
    drawn += label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, over)
    return svg(WIDTH, HEIGHT, title, drawn + label(LEFT, 12, title + " (logarithmic)" * log, "start"))


def svg(width: float, height: float, title: str, content: str) -> str:
    """A drawing."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )


def ends(one: tuple[float, float], other: tuple[float, float]) -> str:
    """Of a line in a drawing."""
    return f'x1="{one[0]:.1f}" y1="{one[1]:.1f}" x2="{other[0]:.1f}" y2="{other[1]:.1f}"'


def label(x: float, y: float, text: str, anchor: str = "middle", kind: str = "label") -> str:
    """A text in a drawing."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
