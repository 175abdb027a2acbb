"""`n2n-tf evaluate`: PSNR and SSIM of denoisers, as the paper measures them."""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from n2n_tf.cli.blocks import add_block_arguments, are_blocks, check_blocks, check_channels, submit
from n2n_tf.cli.denoise import add_size_arguments, build_denoiser
from n2n_tf.cli.flags import Number
from n2n_tf.cli.quiet import quiet_import
from n2n_tf.cli.spoken import as_flags
from n2n_tf.config import (
    Config,
    RunError,
    UsageError,
    at_least,
    build_config,
    limits_of,
    lookup,
    number_or_word,
)
from n2n_tf.data.finding import find_files, fixed_part, listing, reason
from n2n_tf.files import write, write_json
from n2n_tf.formats import bayer
from n2n_tf.progress import ProgressLine

if TYPE_CHECKING:
    from n2n_tf.evaluation.protocol import Case, TestSet
    from n2n_tf.evaluation.results import Results
    from n2n_tf.noise import Noise
    from n2n_tf.value_range import ValueRange

HELP = "PSNR and SSIM of denoisers, as the paper measures them"
SAMPLES = 8  # images of each set that --range auto is measured on
NOISY = "noisy"  # the denoiser that does nothing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument("models", nargs="+", type=path, metavar="MODEL", help="run directories or .keras files")
    parser.add_argument(
        "--data", nargs="+", type=path, metavar="PATH",
        help="sets of clean images: folders, globs, files; needs --noise",
    )  # fmt: skip
    parser.add_argument("--noise", help="noise added to --data: gaussian or poisson")
    parser.add_argument("--sigma", nargs="+", type=float, metavar="S", help="as for train")
    parser.add_argument("--lam", nargs="+", type=float, metavar="L", help="as for train")
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


def run(args: argparse.Namespace) -> None:
    """Evaluate, show the table, write tables and pictures."""
    output = Path(args.output or time.strftime("evaluations/%Y%m%d-%H%M%S"))
    config = _check(args, output)
    if args.submission:
        return submit(args)
    labels = _labels(args.models)
    with quiet_import():
        from n2n_tf.evaluation.paper import TABLE_2, published
        from n2n_tf.evaluation.pictures import comparison, stacked
        from n2n_tf.evaluation.protocol import PROTOCOLS, evaluate
        from n2n_tf.evaluation.results import Results
        from n2n_tf.noise import NOISES
        from n2n_tf.value_range import UNIT
    protocol = lookup(PROTOCOLS, args.protocol, "--protocol")()
    noise = lookup(NOISES, config.noise or "none", "--noise")(config) if config else None
    if config and noise is None:
        raise UsageError("--data holds clean images: say which noise to add, --noise gaussian or poisson")
    denoisers = {label: build_denoiser(path, args, value_range=UNIT) for label, path in labels.items()}
    channels = {denoiser.channels for denoiser in denoisers.values()}
    if len(channels) > 1:
        raise UsageError(f"models of {sorted(channels)} channels cannot be compared on the same images")
    sets, skipped = _find_sets(args, noise, channels.pop())
    value_range = _range(args.range, {denoiser.value_range for denoiser in denoisers.values()}, sets)

    there = TABLE_2 if args.block_names else published(str(noise)) if args.protocol == "paper" else {}
    results = Results({} if args.affine else there, affine=args.affine)  # the paper fits nothing
    pictures = []
    output.mkdir(parents=True, exist_ok=True)
    with ProgressLine("evaluating", sum(len(each.clean) * each.repeats for each in sets)) as line:
        try:
            for case in evaluate(sets, {NOISY: lambda noisy: noisy, **denoisers}, protocol, args.affine, value_range):
                results.add(case)
                if case.repeat == 0 and case.page in case.set.clean[: args.pictures]:
                    pictures.append(comparison(*_shown(case)))
                line.advance()
                if case.page == case.set.clean[-1]:
                    line.say(f"{case.set.name}, draw {case.repeat + 1} of {case.set.repeats}")
        except (ValueError, MemoryError) as error:  # an image that cannot be read, or needs more memory
            raise RunError(f"{reason(error)}; no scores were written") from error
    if pictures:
        write(output / "pictures.png", lambda temporary: stacked(pictures).save(temporary, "PNG"))
    _write(results, labels, args, output)
    if skipped:
        print(f"{len(skipped)} files were skipped:\n{as_flags(listing(skipped))}")


def _check(args: argparse.Namespace, output: Path) -> Config | None:
    """What can be checked without TensorFlow; returns the noise settings, None for pairs."""
    pairs = args.noisy is not None or args.clean is not None
    check_blocks(args)
    if pairs == bool(args.data) or (args.noisy is None) != (args.clean is None and not args.submission):
        raise UsageError("wanted --data PATH... (clean images) with --noise, or both --noisy DIR and --clean DIR")
    if args.json and len(args.models) > 1:
        raise UsageError("--json: takes one MODEL; --output holds a JSON file for each")
    if args.affine and args.submission:
        raise UsageError("--affine: a submission has no clean blocks to fit to; leave it out")
    if any((output / name).exists() for name in ("table.md", "scores.csv", "pictures.png")):
        raise UsageError(f"--output {output}: holds an evaluation already; name another")
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise UsageError(f"--json {args.json}: no such folder")
    find_files(args.data or (), "--data")
    given = {name: getattr(args, name) for name in ("noise", "sigma", "lam") if getattr(args, name) is not None}
    if pairs and (given or args.repeats):
        raise UsageError("--noisy and --clean: no noise is added, so leave --noise, --sigma, --lam and --repeats out")
    if pairs:
        return None
    return build_config({"data": args.data, "noise": "none", **given})


def _find_sets(
    args: argparse.Namespace, noise: "Noise | None", channels: int
) -> tuple[list["TestSet"], dict[str, str]]:
    """The test sets, those of the paper first and in its order, and the files that cannot be used."""
    from n2n_tf.data.images import find_images
    from n2n_tf.data.pairs import find_pairs
    from n2n_tf.evaluation.metrics import WINDOW
    from n2n_tf.evaluation.paper import REPEATS
    from n2n_tf.evaluation.protocol import TestSet

    if are_blocks(args.noisy):
        check_channels(channels)
        from n2n_tf.evaluation.blocks import block_sets

        return block_sets(args.noisy, args.clean, args.block_names, args.pattern), {}
    if noise is None:
        noisy, clean, skipped = find_pairs(args.noisy, args.clean, channels, WINDOW)
        return [TestSet(Path(os.path.abspath(args.noisy)).name, clean, noisy)], skipped
    paths = {_set_name(path): path for path in args.data}
    if len(paths) < len(args.data):
        raise UsageError("--data: sets of one name cannot be told apart in the table; rename a folder")
    order = {name: number for number, name in enumerate(REPEATS)}
    sets, skipped = [], {}
    for name in sorted(paths, key=lambda name: order.get(name.lower(), len(order))):
        images = find_images([paths[name]], channels, WINDOW)
        skipped.update(images.skipped)
        sets.append(TestSet(name, images.pages, noise, args.repeats or REPEATS.get(name.lower(), 1)))
    return sets, skipped


def _range(
    told: Sequence[str | float] | None, own: "set[ValueRange | None]", sets: Sequence["TestSet"]
) -> "ValueRange | None":
    """Of the images: what was said, or what the models were made for."""
    from n2n_tf.evaluation.protocol import stored
    from n2n_tf.value_range import ValueRange, range_of_type, robust_range

    if told is None and len(own) > 1:
        raise UsageError(f"MODEL: made for value ranges {', '.join(map(str, own))}: say one for all with --range")
    if told is None:
        return own.pop()
    if limits := limits_of(told):
        return ValueRange(*limits)
    clean = [stored(page) for each in sets for page in each.clean[:SAMPLES]]
    return robust_range(clean) if told[0] == "auto" else range_of_type(clean[0].dtype)


def _set_name(path: str) -> str:
    """The name of the folder or file; of a glob the folder that its matches lie under."""
    path = os.path.abspath(path)
    return os.path.basename(path if os.path.exists(path) else fixed_part(path))


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
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    Console().print(table)
    text = markdown(rows).encode("utf-8", "backslashreplace")  # names of files need not be UTF-8
    write(output / "table.md", lambda temporary: temporary.write_bytes(text))
    results.write_csv(output / "scores.csv")
    for label, path in labels.items():
        asked = {name: value for name, value in vars(args).items() if name not in ("models", "output", "json")}
        scores = {"model": path, "settings": asked, "sets": results.summary(label)}
        write_json(output / f"{label.replace(os.sep, '_')}.json", scores)
        if args.json:
            write_json(Path(args.json), scores)
    print(f"tables and pictures: {output}")
