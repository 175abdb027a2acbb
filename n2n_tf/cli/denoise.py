"""`n2n-tf denoise`: image files in, denoised image files out."""

import argparse
import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from n2n_tf.baselines.settings import BASELINES
from n2n_tf.cli.baselines import ABOUT, add_baseline_arguments, check_baselines
from n2n_tf.cli.denoisers import add_size_arguments, build_denoiser
from n2n_tf.cli.scheduled import add_scheduler_argument, check_with_scheduler, cluster, crew_of
from n2n_tf.config import ADAPTED, SECONDS, RunError, UsageError, limits_of, number_or_word
from n2n_tf.config.kinds import COUNTS, RGB
from n2n_tf.data.finding import listing
from n2n_tf.tasks.assigned import SHIPPED, assigned, by_kind
from n2n_tf.tasks.beside import RENDERINGS, Beside
from n2n_tf.tasks.outcome import Outcome
from n2n_tf.tasks.plan import Plan, plan_files

if TYPE_CHECKING:
    from n2n_tf.inference import Denoiser
    from n2n_tf.value_range import Told

logger = logging.getLogger(__name__)

HELP = "denoise image files"
MORE = "inputs"  # what arguments between and behind flags are
RUN = ("denoiser.keras", "config.json", "*/config.json")  # what a folder of runs has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "inputs", nargs="*", type=os.path.expanduser, metavar="INPUT",
        help="first the MODEL: run directory, .keras file, blind or blind_gray, which come with n2n-tf; without one, "
        f"of these the one for each image; or a denoiser that needs no training: {ABOUT}. A folder that is called like "
        "one of these is ./NAME. Then files (PNG, JPEG, BMP, WebP, TIFF, raw, OME-Zarr), folders, globs in "
        "quotes; with n2n-tf[microscopy] also ND2, LIF and DV, with bioio-czi CZI: their results are OME-TIFFs",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=os.path.expanduser, metavar="DIR", help="folder for the results, under the names of the inputs"
    )
    parser.add_argument("--suffix", default="", help="added to each name, for instance _denoised")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs; without it they are kept")
    parser.add_argument("--ensemble", action="store_true", help="mean over 8 flips and rotations, 8 times as long")
    parser.add_argument(
        "--adapt", nargs="?", type=number_or_word, const=SECONDS, metavar="SECONDS",
        help="first train the model on these images for so long, and take what is best by the estimated PSNR, or where "
        f"that cannot be told by the reconstruction; without a number {SECONDS:g}",
    )  # fmt: skip
    add_scheduler_argument(parser)
    parser.add_argument(
        "--render", choices=sorted(RENDERINGS), help="also write LibRaw's rendering of each raw file, with 16 bits"
    )
    parser.add_argument(
        "--report", type=os.path.expanduser, metavar="FILE",
        help="CSV with a row for each file: its noise, whether neighbours share it, and the PSNR before and after, "
        "estimated without a clean image; takes one more pass of the network, and about 1 s a megapixel",
    )  # fmt: skip
    parser.add_argument(
        "--uncertainty", action="store_true",
        help="also write NAME_uncertainty.tif: the standard deviation of the error to expect at each pixel, in the "
        "image's own units; takes 9 times as long",
    )  # fmt: skip
    parser.add_argument(
        "--channel", nargs="+", default=[], metavar="CHANNEL",
        help="of stacks with a channel axis: denoise and write these alone, by name or number from 1; results are "
        "OME-TIFFs, or OME-Zarr where the input is",
    )  # fmt: skip
    parser.add_argument(
        "--range", nargs="+", type=number_or_word, metavar="RANGE",
        help="for images in other units than the model's: their intensities that count as 0 and 1, LOW HIGH; dtype: "
        "the whole of their type; auto: where nearly all pixels of each image lie (default: the model's own; without "
        "one, auto of images of more than 8 bits)",
    )  # fmt: skip
    add_size_arguments(parser)
    add_baseline_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Denoise each file; the rest goes on where one fails.

    Raises:
        UsageError: nothing was done.
        RunError: some files failed; the text lists them.
    """
    told = None if args.range is None else limits_of(args.range) or str(args.range[0])
    beside = Beside(args.render, args.uncertainty, Path(args.report) if args.report else None)
    model, inputs = _split(args)
    baselines = check_baselines(args, [str(model)])
    check_with_scheduler(args)
    plan = plan_files(inputs, args.output, args.suffix, beside, args.channel)
    if args.adapt and plan.groups:
        raise UsageError(f"--adapt with OME-Zarr: train on {next(iter(plan.groups))} with n2n-tf train --weights MODEL")
    outcome = Outcome()
    with cluster(args) as client:
        for name, limits, part, form in _parts(model, plan, told):
            if not model:
                print(f"no MODEL: {name}, which comes with n2n-tf, for {len(part.files) + len(part.groups)} inputs")
            denoiser = build_denoiser(name, args, any_channels=True, value_range=limits, form=form)
            part.check(denoiser.kind)
            if args.output and part.files:
                os.makedirs(args.output, exist_ok=True)  # fail now if it cannot be made
            if args.adapt and any(args.overwrite or not target.exists() for target in part.files.values()):
                denoiser = _adapted(name, limits, list(part.files), args) or denoiser
            crew = crew_of(client, baselines.get(name, name), args, limits, form) if client else None
            from n2n_tf.tasks.denoise_files import carry_out

            outcome.add(carry_out(part, denoiser, args.overwrite, crew=crew))
    if plan.earlier:
        print(f"{len(plan.earlier)} inputs have the names of results, were taken for such and left alone:")
        print(listing({path: f"result of {source}" for path, source in plan.earlier.items()}))
    if outcome.kept:
        print(f"{len(outcome.kept)} outputs exist already and were kept; --overwrite replaces those that are no inputs")
    if failed := outcome.failed:
        count = len(plan.files) + len(plan.groups)
        raise RunError(f"{len(failed)} of {count} files failed:\n" + listing(failed, most=len(failed)))


def _parts(model: str | None, plan: Plan, told: "Told") -> Iterator[tuple[str, "Told", Plan, tuple[int, str]]]:
    """A plan in parts, each with its denoiser, value range, and the form of images that one without training is for."""
    form = COUNTS[RGB], RGB
    if model in BASELINES:
        for kind, limits, part in by_kind(plan, told):
            yield str(model), limits, part, (COUNTS.get(kind, 1), kind)
    elif model:
        yield model, told, plan, form
    else:
        yield from ((*each, form) for each in assigned(plan, told))


def _split(args: argparse.Namespace) -> tuple[str | None, list[str]]:
    """MODEL, if the first argument names one, and the images; --adapt may have taken the first of them.

    Raises:
        UsageError: there is no image, or --adapt has another number.
    """
    given = list(args.inputs)
    if isinstance(args.adapt, str):
        given.insert(0 if _is_model(args.adapt) else len(given), args.adapt)
        args.adapt = SECONDS
    if args.adapt is not None:
        ADAPTED.check(args.adapt, "--adapt")
    if not given:
        raise UsageError("no INPUT: name the images to denoise")
    if not _is_model(given[0]):
        return None, given
    if not given[1:]:
        if not (given[0] in (*SHIPPED, *BASELINES) or os.path.exists(given[0])):
            raise UsageError(f"{given[0]}: no such file or folder")
        raise UsageError(f"no INPUT: {given[0]} is taken for the MODEL")
    return given[0], given[1:]


def _is_model(path: str) -> bool:
    """Whether it is meant for a denoiser, rather than images; what is not there is no image."""
    if path in SHIPPED or path in BASELINES or path.endswith((".keras", ".h5", ".pth")):
        return True
    if os.path.isdir(path):
        return any(glob.glob(os.path.join(glob.escape(path), name)) for name in RUN)
    return not (os.path.exists(path) or glob.glob(path, recursive=True) or "://" in path)


def _adapted(model: str, limits: "Told", files: list[str], args: argparse.Namespace) -> "Denoiser | None":
    """The denoiser after --adapt; None, and a warning, where none of the images can be trained on."""
    from n2n_tf.tasks.adapting import adapt

    try:
        network = adapt(model, files, args.adapt, limits, args.channel)
    except RunError as error:
        logger.warning("%s is not adapted: %s", model, error)
        return None
    return build_denoiser(network, args, any_channels=True)
