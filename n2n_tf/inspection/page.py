"""The report as one HTML page without any other file."""

import itertools
from html import escape

from n2n_tf import html
from n2n_tf.inspection import diagrams
from n2n_tf.inspection.measure import Part
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.words import ARTEFACTS, FITS, denoiser, neighbours, noise, text

DRAWN = 8  # images whose points are in the diagram


def page(report: Report) -> str:
    """The page's HTML."""
    verdict = report.verdict
    command = f"<pre>{escape(verdict.command)}</pre>" if verdict.command else ""
    body = [
        f"<p class='verdict {str(verdict.fits).lower()}'><b>{escape(FITS[verdict.fits].capitalize())}</b>: "
        f"{escape('; '.join(verdict.reasons))}. {escape(verdict.advice)}</p>{command}",
        *(_part(report, part, number) for number, part in enumerate(report.parts)),
        _flat(report),
        _artefacts(report),
        _model(report),
        f"<h2>All in words</h2><pre>{escape(text(report))}</pre>",
    ]
    return html.page("Noise of these images", body)


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
        drawn += html.figure(diagrams.variance_diagram(list(images), part.line, span), caption)
    if part.correlation:
        caption = "Correlation with neighbours up to 8 pixels away; white: none. Only the middle should have colour."
        drawn += html.figure(diagrams.correlation_map(part.correlation), caption)
    return f"<h2>{escape(title)}</h2>{words}<div class='row'>{drawn}</div>"


def _flat(report: Report) -> str:
    image = next(report.looked.unit_images())
    picture = diagrams.thumbnail(image, report.looked.settings.image_kind)
    caption = "The first image. Orange: areas taken as flat, where the noise is measured; they should show no texture."
    return f"<h2>Where it was measured</h2>{html.figure(picture, caption)}"


def _artefacts(report: Report) -> str:
    rows = [("artefact", "", "worst", "threshold", "above it in")]
    for part in report.parts:
        marked = {each.name for each in part.marked()}
        for name, found in part.artefacts.items():
            told = ("found: " if name in marked else "") + f"{found.present} of {found.images} images"
            where = "" if part.name == "all" else part.name
            rows.append((ARTEFACTS[name], where, f"{found.value:.3g}", f"{found.threshold:g}", told))
    return f"<h2>Artefacts</h2>{html.table(rows)}"


def _model(report: Report) -> str:
    if not report.residual:
        return ""
    pictures = diagrams.removed(*report.residual.picture, report.looked.settings.image_kind)
    words = f"<p>{escape(denoiser(report))}.</p>"
    return f"<h2>The denoiser {escape(str(report.model))}</h2>{words}<div class='row'>{pictures}</div>"
