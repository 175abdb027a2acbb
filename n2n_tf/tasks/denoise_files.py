"""Denoise image files into files of their formats."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from n2n_tf.config import MEMORY
from n2n_tf.data.finding import reason
from n2n_tf.data.picking import Picked
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.table import becoming
from n2n_tf.formats.tiff import ome
from n2n_tf.formats.zarr_channels import lacking
from n2n_tf.inference import Denoiser
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks import zarr_files
from n2n_tf.tasks.beside import Beside, map_path, render_raw, rendering_path
from n2n_tf.tasks.cluster import connected
from n2n_tf.tasks.crew import Crew
from n2n_tf.tasks.denoise_pages import denoise_file
from n2n_tf.tasks.outcome import Outcome
from n2n_tf.tasks.plan import Plan, plan_files
from n2n_tf.tasks.recipe import Recipe
from n2n_tf.tasks.report_file import ReportFile
from n2n_tf.weights import load_denoiser

logger = logging.getLogger(__name__)

ZARR = "OME-Zarr is denoised in blocks and not measured: n2n-tf inspect looks at its planes"


def denoise_files(
    model: str | Path | keras.Model | Denoiser,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    suffix: str = "",
    overwrite: bool = False,
    render: str | None = None,
    channel: str | int | Sequence[str | int] = (),
    report: str | Path | None = None,
    uncertainty: bool = False,
    scheduler: str | None = None,
    **settings: Any,
) -> Outcome:
    """Denoise image files into files of the same format, type and metadata; the rest goes on where one fails.

    Args:
        model: run directory, .keras file, network or `Denoiser`.
        inputs: files, folders, globs, OME-Zarr images.
        output: folder for the results, under the names of the inputs; None writes beside these, with a suffix.
        suffix: added to each name.
        overwrite: replace existing results; without it they are kept. Inputs are never replaced.
        render: also write LibRaw's rendering of each raw file, "png" or "tiff", with 16 bits.
        channel: of stacks with a channel axis: the planes of these alone, by name or number from 1, are denoised and
            written, into OME-TIFFs of their axes, names and sizes.
        report: a CSV file with a row for each: its noise, and the PSNR before and after by Stein's estimate, see
            `ReportFile`. Rows that are there stay, unless their file is denoised anew.
        uncertainty: also write NAME_uncertainty.tif beside each result, float32, in the image's own units: the standard
            deviation to expect of denoised - noise-free at each pixel, see `inference.uncertainty`. Takes 8 times as
            long. There is none, and a warning, where neighbours share noise or the error cannot be estimated.
        scheduler: of a Dask cluster whose workers denoise, in place of this process: its HOST:PORT, or the file that it
            wrote; "local" or "local:N" for processes of this machine, which import the calling script: it wants
            `if __name__ == "__main__":`. The model is a path or name then, which each worker loads once.
        settings: of `Denoiser`, unless the model is one.

    Raises:
        UsageError: no image, an input that does not exist, no denoiser, no file with the channels, results that would
            replace their input or each other, a report that would replace another file, or `uncertainty` of raw files
            or OME-Zarr. Nothing was done.
        TypeError, ValueError: settings that a `Denoiser` does not take, or settings for one that has its own; a network
            for a `scheduler`.
        RunError: no such scheduler, or its workers cannot do this; what was written stays.
    """
    if isinstance(model, Denoiser) and settings:
        raise TypeError(f"{', '.join(settings)}: have no effect, the Denoiser has its own; give the network instead")
    if scheduler and not isinstance(model, str | Path):
        raise TypeError(f"model {type(model).__name__}: workers load it themselves; save it, and give its path")
    several = [inputs] if isinstance(inputs, str | Path) else inputs
    folder = None if output is None else os.path.expanduser(output)
    channels = [channel] if isinstance(channel, str | int) else channel
    beside = Beside(render, uncertainty, None if report is None else Path(report).expanduser())
    plan = plan_files([str(each) for each in several], folder, suffix, beside, channels)
    settings = {"any_channels": True, **settings}
    if scheduler and isinstance(model, str | Path):
        recipe = Recipe.of(model, **settings)
        denoiser = recipe.build()  # TensorFlow begins here with the caller's threads, not with the workers'
        with connected(scheduler, settings.get("memory", MEMORY)) as client:
            return carry_out(plan, denoiser, overwrite, quiet=True, crew=Crew(client, scheduler, recipe))
    if not isinstance(model, Denoiser):
        network = model if isinstance(model, keras.Model) else load_denoiser(model)
        model = Denoiser(network, **settings)
    return carry_out(plan, model, overwrite, quiet=True)


def carry_out(
    plan: Plan, denoiser: Denoiser, overwrite: bool, quiet: bool = False, crew: Crew | None = None
) -> Outcome:
    """Do what was planned.

    Args:
        plan: of `plan_files`.
        denoiser: of any channels.
        overwrite: as for `denoise_files`.
        quiet: show no progress.
        crew: workers with the same denoiser, that do the work; without it this process does.
    """
    plan.check(denoiser.kind)
    outcome, picked = Outcome(earlier=plan.earlier), Picked(plan.channel)
    pages = _headers(plan, overwrite, outcome, picked)
    groups = _groups(plan, outcome, picked)
    picked.check(len(pages) + len(groups))
    _say_what_results_are(pages, picked)
    _denoise_pages(denoiser, plan, pages, outcome, picked, quiet, crew)
    for target in plan.beside.rendered(list(plan.files.values())):
        try:
            replaced = overwrite and str(rendering_path(target, plan.beside.render)) not in plan.earlier
            render_raw(target, str(plan.beside.render), replaced)
        except (ValueError, OSError) as error:
            outcome.failed[str(target)] = reason(error)
    done, kept, failed = zarr_files.denoise(denoiser, groups, overwrite, quiet, picked.wanted, crew)
    outcome.written.update(done)
    outcome.kept += kept
    outcome.failed.update(failed)
    if plan.beside.report and done:
        ReportFile(plan.beside.report).put({"file": source, "valid": "no", "notes": ZARR} for source in done)
    _say_what_is_lacking(plan, set(outcome.kept))
    return outcome


def _headers(plan: Plan, overwrite: bool, outcome: Outcome, picked: Picked) -> dict[str, list[Page]]:
    """The images of each file that is to be denoised; what is kept, and what cannot be read, is put down."""
    pages = {}
    for source, target in plan.files.items():
        if target.exists() and (not overwrite or source in plan.earlier.values()):
            outcome.kept.append(str(target))
            continue
        try:
            found = picked.of(source, readers.pages(source), readers.axes)
            if not picked.wanted:
                ome.check_set(source, plan.files)
            pages[source] = found
        except (UnusableImageError, OSError) as error:
            outcome.failed[source] = reason(error)
    return pages


def _groups(plan: Plan, outcome: Outcome, picked: Picked) -> dict[str, str]:
    """The OME-Zarr images that are to be denoised; those without the channels are put down."""
    without = lacking(plan.groups, picked.wanted)
    picked.unknown.update(without)
    outcome.failed.update(without)
    return {source: target for source, target in plan.groups.items() if source not in without}


def _say_what_is_lacking(plan: Plan, kept: set[str]) -> None:
    """Of results that were there already, what is wanted beside them and is not there."""
    sources = {source: target for source, target in plan.files.items() if str(target) in kept}
    lacking = {}
    if plan.beside.report:
        lacking["row in the `report`"] = len(sources.keys() - ReportFile(plan.beside.report).rows().keys())
    if plan.beside.uncertainty:
        lacking["`uncertainty` map"] = sum(not map_path(target).exists() for target in sources.values())
    for what, count in lacking.items():
        if count:
            logger.warning("%d results that were there already have no %s: `overwrite` makes them anew", count, what)


def _say_what_results_are(pages: dict[str, list[Page]], picked: Picked) -> None:
    """Where they are not of the formats that their sources are."""
    if picked.wanted and pages:
        picked.say()
        logger.info("the results hold these alone: OME-TIFFs with their axes, names and sizes")
        return
    for name, suffix in sorted({become for source in pages if (become := becoming(source))}):
        logger.info("%s files are not written: the results are %s files", name, suffix)


def _denoise_pages(
    denoiser: Denoiser, plan: Plan, pages: dict[str, list[Page]], outcome: Outcome, picked: Picked, quiet: bool,
    crew: Crew | None,
) -> None:  # fmt: skip
    """Denoise each file; the rest goes on where one fails."""
    sizes = {source: sum(page.height * page.width for page in each) for source, each in pages.items()}
    with ProgressLine("denoising", sum(sizes.values()), quiet=quiet) as line:
        if not pages:
            return
        results = crew.files(list(pages), plan) if crew else _here(denoiser, plan, pages, picked, line.advance)
        for number, (source, error) in enumerate(results, 1):
            if crew:
                line.advance(sizes[source])
            if error:
                outcome.failed[source] = reason(error)
                continue
            outcome.written[source] = str(plan.files[source])
            line.say(f"{number}/{len(pages)} {plan.files[source]}")


def _here(
    denoiser: Denoiser, plan: Plan, pages: dict[str, list[Page]], picked: Picked, advance: Callable[[float], None]
) -> Iterator[tuple[str, Exception | None]]:
    """Denoise the files in this process: each as it is done, with the error where it failed."""
    for source, images in pages.items():
        try:
            sets = picked.sets(source, readers.axes) if picked.wanted else []
            denoise_file(denoiser, images, plan.files[source], advance, sets, plan.beside)
            yield source, None
        except (ValueError, OSError, MemoryError) as error:
            yield source, error
