"""The report as one HTML page without any other file."""

import itertools
from html import escape

from n2n_tf.inspection import diagrams
from n2n_tf.inspection.measure import Part
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.words import ARTEFACTS, FITS, denoiser, neighbours, noise, text

DRAWN = 8  # images whose points are in the diagram
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd; }
.verdict { padding: .8em 1em; border-left: .4em solid #999; background: #f5f5f5; }
.true { border-color: #2a7f3f; } .false { border-color: #b2182b; }
pre { background: #f5f5f5; padding: .8em 1em; overflow-x: auto; white-space: pre-wrap; font-size: 12px; }
.row { display: flex; flex-wrap: wrap; gap: 2em; align-items: flex-start; }
figure { margin: 0; } figcaption { max-width: 42em; color: #555; font-size: .9em; }
img { max-width: 100%; height: auto; image-rendering: pixelated; }
.frame { fill: none; stroke: #bbb; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15em 1em .15em 0; border-bottom: 1px solid #eee; }
svg text { font: 11px system-ui, sans-serif; fill: #444; } svg text.rho { font-size: 9px; fill: #000; }
.dots { fill: #2166ac; fill-opacity: .55; } .fit { stroke: #b2182b; stroke-width: 2; } .axis { stroke: #888; }
"""


def page(report: Report) -> str:
    """The page's HTML."""
    verdict = report.verdict
    command = f"<pre>{escape(verdict.command)}</pre>" if verdict.command else ""
    body = [
        "<h1>Noise of these images</h1>",
        f"<p class='verdict {str(verdict.fits).lower()}'><b>{escape(FITS[verdict.fits].capitalize())}</b>: "
        f"{escape('; '.join(verdict.reasons))}. {escape(verdict.advice)}</p>{command}",
        *(_part(report, part, number) for number, part in enumerate(report.parts)),
        _flat(report),
        _artefacts(report),
        _model(report),
        f"<h2>All in words</h2><pre>{escape(text(report))}</pre>",
    ]
    head = '<meta charset="utf-8"><title>Noise of these images</title><link rel="icon" href="data:,">'
    head += f"<style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _part(report: Report, part: Part, number: int) -> str:
    one = len(report.parts) == 1
    title, span = "Noise" if one else f"Noise of {part.name}", report.looked.scale.span
    words = f"<p>{escape(noise(part, span))}.</p><p>Neighbours: {escape(neighbours(part))}.</p>"
    drawn = ""
    if part.line:
        images = itertools.islice(report.looked.unit_images(None if one else number), DRAWN)
        caption = (
            "Variance of the noise in flat areas (dots) and a·x + s² (line); flat line: Gaussian, rising: photons."
        )
        drawn += _figure(diagrams.variance_diagram(list(images), part.line, span), caption)
    if part.correlation:
        caption = "Correlation with neighbours up to 8 pixels away; white: none. Only the middle should have colour."
        drawn += _figure(diagrams.correlation_map(part.correlation), caption)
    return f"<h2>{escape(title)}</h2>{words}<div class='row'>{drawn}</div>"


def _flat(report: Report) -> str:
    image = next(report.looked.unit_images())
    picture = diagrams.thumbnail(image, report.looked.settings.image_kind)
    caption = "The first image. Orange: areas taken as flat, where the noise is measured; they should show no texture."
    return f"<h2>Where it was measured</h2>{_figure(picture, caption)}"


def _artefacts(report: Report) -> str:
    rows = ""
    for part in report.parts:
        marked = {each.name for each in part.marked()}
        for name, found in part.artefacts.items():
            cells = (
                ARTEFACTS[name],
                "" if part.name == "all" else part.name,
                f"{found.value:.3g}",
                f"{found.threshold:g}",
            )
            told = ("found: " if name in marked else "") + f"{found.present} of {found.images} images"
            rows += "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in (*cells, told)) + "</tr>"
    head = "".join(f"<th>{each}</th>" for each in ("artefact", "", "worst", "threshold", "above it in"))
    return f"<h2>Artefacts</h2><table><tr>{head}</tr>{rows}</table>"


def _model(report: Report) -> str:
    if not report.residual:
        return ""
    pictures = diagrams.removed(*report.residual.picture, report.looked.settings.image_kind)
    words = f"<p>{escape(denoiser(report))}.</p>"
    return f"<h2>The denoiser {escape(str(report.model))}</h2>{words}<div class='row'>{pictures}</div>"


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"
