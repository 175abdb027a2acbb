"""`n2n-tf inspect`: what noise is in these images, does the method fit, what to do next."""

import argparse
import os
from pathlib import Path

from n2n_tf.cli.flags import Number, in_flags
from n2n_tf.cli.spoken import as_flags
from n2n_tf.config import at_least, named, number_or_word
from n2n_tf.data.finding import listing
from n2n_tf.data.settings import ImageSettings
from n2n_tf.tasks.quiet import quiet_import

HELP = "what noise is in images, and whether the method fits"
IMAGES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument(
        "paths", nargs="+", type=path, metavar="PATH",
        help="noisy images: files, folders, globs in quotes, OME-Zarr, or a folder that prepare wrote",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=path, metavar="MODEL",
        help="run directory or .keras file: also what it gains on these images and takes away from them",
    )  # fmt: skip
    parser.add_argument(
        "--shots", type=path, metavar="DIR",
        help="four or more shots of one scene, or folders of such: the gain without assumptions on the noise",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, action=Number, within=at_least(1), default=IMAGES, metavar="N",
        help=f"images looked at, evenly spaced over the set (default: {IMAGES})",
    )  # fmt: skip
    texts = {name: each.metadata for name, each in named(ImageSettings).items()}
    parser.add_argument(
        "--range", nargs="+", type=number_or_word, metavar="RANGE", help=in_flags(texts["range"]["help"])
    )
    parser.add_argument("--channels", type=int, metavar="N", help="of the images (default: those of the first one)")
    parser.add_argument("--kind", choices=texts["kind"]["choices"], help=in_flags(texts["kind"]["help"]))
    parser.add_argument("--channel", nargs="+", metavar="CHANNEL", help=in_flags(texts["channel"]["help"]))
    parser.add_argument("--json", type=path, metavar="FILE", help="all numbers, with their standard errors")
    parser.add_argument("--output", type=path, metavar="DIR", help="a page with diagrams, DIR/index.html")


def run(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    given = {name: getattr(args, name) for name in ("range", "channels", "kind", "channel") if getattr(args, name)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    with quiet_import():
        from n2n_tf.tasks.inspect import inspect
    report = inspect(args.paths, args.model, args.images, args.shots, quiet=False, **given)
    print(report.text())
    if report.looked.skipped:
        print(f"\n{len(report.looked.skipped)} files cannot be used:\n{as_flags(listing(dict(report.looked.skipped)))}")
    if args.json:
        Path(args.json).parent.mkdir(parents=True, exist_ok=True)
        report.write_json(args.json)
    if args.output:
        print(f"\npage: {report.write_page(args.output)}")
