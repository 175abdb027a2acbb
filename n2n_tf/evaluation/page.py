"""Scores to show: report.html of an evaluation or a comparison."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from n2n_tf import html
from n2n_tf.evaluation.pictures import as_picture, developed

NAME = "report.html"


def sliders(title: str, images: Mapping[str, np.ndarray], kind: str) -> str:
    """Each denoised image beside the noisy one, and the first of them beside the clean one.

    Args:
        title: what they show.
        images: name -> [H, W, C], float or uint8, of one size: noisy, denoised ones, clean.
        kind: of the images, a name of `KINDS`.
    """
    noisy, *denoised, clean = ((name, as_picture(image)) for name, image in developed(dict(images), kind).items())
    pairs = [*((noisy, each) for each in denoised), *((each, clean) for each in denoised[:1])]
    drawn = "".join(html.slider(before, after, (one, other)) for (one, before), (other, after) in pairs)
    return f'<h2>{escape(title)}</h2><div class="row">{drawn}</div>'


def write_page(
    folder: Path,
    title: str,
    tables: Mapping[str, Sequence[Sequence[str]]],
    pictures: Iterable[Image.Image] = (),
    parts: Iterable[str] = (),
    command: str = "",
    skipped: Mapping[str, str] | None = None,
) -> Path:
    """Write report.html.

    Args:
        folder: of the evaluation.
        title: its heading.
        tables: heading -> rows of texts, the first one the head.
        pictures: strips of images side by side.
        parts: more of the page, as `sliders` gives it.
        command: that does it again.
        skipped: files that could not be used, and results that a denoiser did not give, with the reason.

    Raises:
        OSError: it cannot be written.
    """
    body = [f"{f'<h2>{escape(name)}</h2>' if name else ''}{html.table(rows)}" for name, rows in tables.items()]
    body += parts
    strips = "".join(f"<p>{html.picture(each.convert('RGB'), 'images side by side', 'JPEG')}</p>" for each in pictures)
    body.append("<h2>Side by side</h2>" * bool(strips) + strips)
    if command:
        body.append(f"<h2>How to repeat it</h2><pre>{escape(command)}</pre>")
    if skipped:
        body.append(f"<h2>Without a score</h2>{html.table([('what', 'why'), *skipped.items()])}")
    return html.write_page(folder / NAME, html.page(title, body))
