"""`n2n-tf evaluate`: PSNR and SSIM of denoisers, as the paper measures them."""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from n2n_tf.baselines.settings import BASELINES
from n2n_tf.cli.baselines import add_baseline_arguments, check_baselines
from n2n_tf.cli.blocks import add_block_arguments, check_blocks, submit
from n2n_tf.cli.denoisers import add_size_arguments, build_denoiser
from n2n_tf.cli.flags import Number, add_flags
from n2n_tf.cli.scored import WORDS, find_sets, form_told, noise_told
from n2n_tf.cli.spoken import as_flags
from n2n_tf.cli.tables import print_table
from n2n_tf.config import (
    UsageError,
    at_least,
    flag,
    limits_of,
    lookup,
    named,
    number_or_word,
)
from n2n_tf.data.finding import find_files, listing
from n2n_tf.files import write, write_json
from n2n_tf.formats import bayer
from n2n_tf.noise.settings import NoiseSettings
from n2n_tf.tasks import NOISY
from n2n_tf.tasks.quiet import quiet_import
from n2n_tf.training.config import Config
from n2n_tf.training.presets import build_config

if TYPE_CHECKING:
    from n2n_tf.evaluation.protocol import Case
    from n2n_tf.evaluation.results import Results

HELP = "PSNR and SSIM of denoisers, as the paper measures them"
LEVELS = [name for name, each in named(Config).items() if each.chooser == "noise" and name != "noise_once"]

NOT_ASKED = "models", "output", "json", "command_line"  # what has no effect on the scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument(
        "models", nargs="+", type=path, metavar="MODEL",
        help=f"run directories, .keras files, or denoisers that need no training, by name: {', '.join(BASELINES)}; a "
        "folder that is called so is ./NAME",
    )  # fmt: skip
    parser.add_argument(
        "--data", nargs="+", type=path, metavar="PATH",
        help="sets of clean images: folders, globs, files; needs --noise",
    )  # fmt: skip
    parser.add_argument("--noise", help=f"noise added to --data: {WORDS}")
    add_flags(parser, Config, LEVELS)
    parser.add_argument(
        "--noisy", type=path, metavar="DIR",
        help="noisy images, with --clean instead of --data; or SIDD's blocks, a .mat",
    )  # fmt: skip
    parser.add_argument("--clean", type=path, metavar="DIR", help="their clean partners, of the same names")
    add_block_arguments(parser)
    parser.add_argument(
        "--protocol", default="paper", help="paper (rounded to 8 bits) or float (not rounded; raw and 16-bit data)"
    )
    parser.add_argument(
        "--range", nargs="+", type=number_or_word, metavar="RANGE",
        help="intensities that count as 0 and 1, as for train (default: the models' own; without one, dtype)",
    )  # fmt: skip
    parser.add_argument(
        "--channels", type=int, action=Number, within=at_least(1, 2**10), metavar="N",
        help="of the images, where no MODEL is trained: 1 (gray), 3 (RGB) or as many as theirs (default: 3)",
    )  # fmt: skip
    parser.add_argument("--affine", action="store_true", help="fit a·x + b of each result to its clean image first")
    parser.add_argument(
        "--repeats", type=int, action=Number, within=at_least(1), metavar="N",
        help="noise draws for each image; the paper's on kodak, bsd300, set14, else 1",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=path, metavar="DIR", help="tables and pictures (default: evaluations/DATE-TIME)"
    )
    parser.add_argument("--json", type=path, metavar="FILE", help="the scores of the only MODEL, in this file too")
    parser.add_argument(
        "--pictures", type=int, action=Number, within=at_least(0), default=3, metavar="N",
        help="images of each set to show (default: 3)",
    )  # fmt: skip
    parser.add_argument("--ensemble", action="store_true", help="mean over 8 flips and rotations, 8 times as long")
    add_size_arguments(parser)
    add_baseline_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Evaluate, show the table, write tables and pictures."""
    output = Path(args.output or time.strftime("evaluations/%Y%m%d-%H%M%S"))
    settings = _check(args, output)
    if args.submission:
        return submit(args)
    labels = _labels(args.models)
    with quiet_import():
        from n2n_tf.evaluation.page import sliders, write_page
        from n2n_tf.evaluation.pictures import comparison, stacked
        from n2n_tf.evaluation.protocol import PROTOCOLS
        from n2n_tf.evaluation.results import Results
        from n2n_tf.tasks.evaluate import check_scored, check_whole, form_of, score
        from n2n_tf.value_range import UNIT
    lookup(PROTOCOLS, args.protocol, "--protocol")
    noise = noise_told(settings)
    trained = {
        label: build_denoiser(path, args, value_range=UNIT) for label, path in labels.items() if path not in BASELINES
    }
    channels, kind = form = form_of(trained) if trained else form_told(args)
    denoisers = {
        label: trained.get(label) or build_denoiser(path, args, value_range=UNIT, form=form)
        for label, path in labels.items()
    }
    sets, skipped, there = find_sets(args, noise, channels, kind)
    results = Results({} if args.affine else there, affine=args.affine, skipped=skipped)  # the paper fits nothing
    pictures, parts = [], []

    def show(case: "Case") -> None:
        if case.repeat == 0 and case.page in case.set.clean[: args.pictures]:
            clean, shown = _shown(case)
            pictures.append(comparison(clean, shown, kind))
            if case.page == case.set.clean[0]:
                parts.append(sliders(f"{case.set.name}: {case.page}", {**shown, "clean": clean}, kind))

    output.mkdir(parents=True, exist_ok=True)
    told = None if args.range is None else limits_of(args.range) or str(args.range[0])
    check_scored(score(sets, denoisers, results, args.protocol, told, show))
    if pictures:
        write(output / "pictures.png", lambda temporary: stacked(pictures).save(temporary, "PNG"))
    _write(results, labels, args, output)
    title, tables = f"Evaluation, {noise or 'pairs'}", {"": results.table()}
    page = write_page(output, title, tables, pictures, parts, args.command_line, {**skipped, **results.lacking()})
    print(f"tables and pictures: {output}, report: {page}")
    _tell_skipped(skipped)
    check_whole(results)


def _tell_skipped(skipped: dict[str, str]) -> None:
    if skipped:
        print(f"{len(skipped)} files were skipped:\n{as_flags(listing(skipped))}")


def _check(args: argparse.Namespace, output: Path) -> NoiseSettings | None:
    """What can be checked without TensorFlow; returns the noise settings, None for pairs."""
    pairs = args.noisy is not None or args.clean is not None
    check_blocks(args)
    found = check_baselines(args, args.models)
    if args.channels and len(found) < len(args.models):
        raise UsageError("--channels: the trained MODEL tells them; leave it out")
    if pairs == bool(args.data) or (args.noisy is None) != (args.clean is None and not args.submission):
        raise UsageError("wanted --data PATH... (clean images) with --noise, or both --noisy DIR and --clean DIR")
    if args.json and len(args.models) > 1:
        raise UsageError("--json: takes one MODEL; --output holds a JSON file for each")
    if args.affine and args.submission:
        raise UsageError("--affine: a submission has no clean blocks to fit to; leave it out")
    if any((output / name).exists() for name in ("table.md", "scores.csv", "pictures.png", "report.html")):
        raise UsageError(f"--output {output}: holds an evaluation already; name another")
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise UsageError(f"--json {args.json}: no such folder")
    find_files(args.data or (), "--data")
    given = {name: getattr(args, name) for name in ("noise", *LEVELS) if getattr(args, name, None) is not None}
    if pairs and (given or args.repeats):
        flags = ", ".join(map(flag, ("noise", *LEVELS)))
        raise UsageError(f"--noisy and --clean: no noise is added, so leave {flags} and --repeats out")
    if pairs:
        return None
    return build_config({"data": args.data, "noise": "none", **given}).noise


def _labels(models: Sequence[str]) -> dict[str, str]:
    """A short name for each model -> its path."""
    paths = [Path(os.path.abspath(model)) for model in models]
    names = [path.parent.name if path.name == "denoiser.keras" else path.name.removesuffix(".keras") for path in paths]
    if len(set(paths)) < len(paths):
        raise UsageError("MODEL: one of them is named twice")
    distinct = len({NOISY, *names}) == len(names) + 1
    return dict(zip(names if distinct else map(str, paths), models, strict=True))


def _shown(case: "Case") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The clean image, and the results under their names and scores; mosaics as planes."""
    pattern = case.set.pattern

    def shown(image: np.ndarray) -> np.ndarray:
        return bayer.pack(image[..., 0], pattern) if pattern else image

    scores = {name: f"{psnr:.2f} dB / {ssim:.3f}" for name, (psnr, ssim) in case.scores.items()}
    return shown(case.clean), {f"{name}\n{scores[name]}": shown(result) for name, result in case.results.items()}


def _write(results: "Results", labels: dict[str, str], args: argparse.Namespace, output: Path) -> None:
    """Tables on the screen, in Markdown, CSV and JSON."""
    from n2n_tf.evaluation.results import markdown

    rows = results.table()
    print_table(rows)
    text = markdown(rows).encode("utf-8", "backslashreplace")  # names of files need not be UTF-8
    write(output / "table.md", lambda temporary: temporary.write_bytes(text))
    results.write_csv(output / "scores.csv")
    for label, path in labels.items():
        asked = {
            name: value
            for name, value in vars(args).items()
            if name not in ("models", "output", "json", "command_line")
        }
        failed = [[*where, reason] for where, reason in results.failed.items() if where[1] == label]
        scores = {"model": path, "settings": asked, "sets": results.summary(label), "failed": failed}
        write_json(output / f"{label.replace(os.sep, '_')}.json", scores)
        if args.json:
            write_json(Path(args.json), scores)
