"""`n2n-tf prepare`: images cut into crops, in TFRecord shards to train on."""

import argparse
import os
import time
from typing import TYPE_CHECKING, Any

from n2n_tf.cli.flags import Number
from n2n_tf.cli.spoken import as_flags
from n2n_tf.config import RunError, UsageError, at_least
from n2n_tf.config.kinds import COUNTS, GRAY, MOSAIC, RGB
from n2n_tf.data.finding import listing, reason
from n2n_tf.data.kind_of_data import kind_of_data
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks.quiet import quiet_import

if TYPE_CHECKING:
    from n2n_tf.data.shard_writer import Source, Writer

HELP = "cut images into TFRecord shards to train on"
CROP, STEP = 512, 256  # as the authors cut SIDD
DTYPES = ("uint8", "uint16", "float32")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    sidd = kinds.add_parser("sidd", help="raw images of SIDD, split by scene", allow_abbrev=False)
    sidd.add_argument("folder", type=os.path.expanduser, metavar="FOLDER", help="SIDD_Medium_Raw, or its Data")
    sidd.add_argument(
        "--val-scenes", nargs="*", metavar="SCENE", help="scenes held out, as 010 (default: the last one); may be none"
    )
    sidd.add_argument(
        "--clean", action="store_true",
        help="with the clean partners of all crops, which n2c learns from, and noise can be added to",
    )  # fmt: skip
    images = kinds.add_parser("images", help="image files, of cameras' raw too", allow_abbrev=False)
    images.add_argument("paths", nargs="+", metavar="PATH", help="folders, globs in quotes, files")
    images.add_argument("--val-data", nargs="+", default=[], metavar="PATH", help="images held out")
    images.add_argument(
        "--channels", type=int, action=Number, within=at_least(1, 2**10), metavar="N",
        help="as for train; 4 is raw where the files are (default: 3; 1 with --channel)",
    )  # fmt: skip
    images.add_argument("--channel", nargs="+", default=[], metavar="CHANNEL", help="as for train")
    images.add_argument("--dtype", choices=DTYPES, help="of the crops (default: uint8; float32 for raw)")
    for each in (sidd, images):
        each.add_argument(
            "--output",
            required=True,
            metavar="DIR",
            help="of the shards; on disk, or where tf.io.gfile writes (gs://…)",
        )
        each.add_argument("--crop-size", type=int, default=CROP, metavar="N", help=f"side in pixels (default: {CROP})")
        each.add_argument("--step", type=int, default=STEP, metavar="N", help=f"between crops (default: {STEP})")


def run(args: argparse.Namespace) -> None:
    """Write the shards; go on where a stopped run was.

    Raises:
        UsageError: settings that cannot be right, or shards made with others in the output folder.
        RunError: no image could be used.
    """
    if args.kind == "images" and args.channels is None:
        args.channels = COUNTS[GRAY] if args.channel else COUNTS[RGB]
    kind = MOSAIC if args.kind == "sidd" else kind_of_data(args.paths, args.channels)
    raw = kind == MOSAIC
    with quiet_import():
        from n2n_tf.data.manifest import SIDES
        from n2n_tf.data.shard_writer import Writer
    _check(args, *(side * (2 if raw else 1) for side in SIDES))
    sources, skipped, settings = {"sidd": _sidd, "images": _images}[args.kind](args)
    unit = 2 if raw else 1
    channels = COUNTS[MOSAIC] if raw else args.channels
    form = {"side": args.crop_size // unit, "channels": channels, "kind": kind, "dtype": settings.pop("dtype")}
    began = time.monotonic()
    with Writer(args.output, form, {"kind": args.kind, "step": args.step, **settings}, args.step // unit) as writer:
        gone = writer.keep_only(sources)
        crops = _write(writer, sources, skipped)
    if gone:
        print(f"{len(gone)} shards of images that are not among these are no longer listed; their files stay")
    if skipped:
        print(f"{len(skipped)} files were skipped:\n{as_flags(listing(skipped))}")
    if not crops:
        raise RunError("none of the images can be used")
    print(f"{crops} crops in {args.output}, after {time.monotonic() - began:.0f} s")
    print(f"train on them: n2n-tf train --data {args.output} --channels {channels} --noise none")


def _check(args: argparse.Namespace, least: int, most: int) -> None:
    """What can be said before any file is opened."""
    if not args.output:
        raise UsageError("--output: is empty; name a folder")
    if not least <= args.crop_size <= most or args.crop_size % 2:
        raise UsageError(f"--crop-size {args.crop_size}: wanted an even number from {least} to {most}")
    if not 2 <= args.step <= args.crop_size or args.step % 2:
        raise UsageError(f"--step {args.step}: wanted an even number, at least 2, at most --crop-size {args.crop_size}")
    if args.kind == "images" and _is_raw(args) and args.dtype not in (None, "float32"):
        raise UsageError(f"--dtype {args.dtype}: would round raw files, whose values are fractions; wanted float32")


Found = tuple[list["Source"], dict[str, str], dict[str, Any]]  # and why not, settings


def _sidd(args: argparse.Namespace) -> Found:
    from n2n_tf.data.prepare import sidd_sources

    sources, skipped = sidd_sources(args.folder, args.val_scenes, args.clean)
    if not sources:
        reasons = f"\n{listing(skipped)}" if skipped else ""
        raise RunError(f"{args.folder}: no image of SIDD (<scene instance>/*_NOISY_RAW_*.MAT){reasons}")
    held_out = sorted({str(source.metadata["scene"]) for source in sources if source.split == "val"})
    print(f"{len(sources)} images; scenes held out: {' '.join(held_out) or 'none'}")
    told = {"clean": True} if args.clean else {}  # as folders of before have it
    return sources, skipped, {"dtype": "float32", "val_scenes": held_out, **told}


def _images(args: argparse.Namespace) -> Found:
    from n2n_tf.data.prepare import image_sources

    raw = _is_raw(args)
    dtype = args.dtype or ("float32" if raw else "uint8")
    sources, skipped = image_sources(
        args.paths,
        args.val_data,
        args.channels,
        dtype,
        args.crop_size // (2 if raw else 1),
        kind_of_data(args.paths, args.channels),
        args.channel,
    )
    return sources, skipped, {"dtype": dtype, **({"channel": args.channel} if args.channel else {})}


def _is_raw(args: argparse.Namespace) -> bool:
    return kind_of_data(args.paths, args.channels) == MOSAIC


def _write(writer: "Writer", sources: list["Source"], skipped: dict[str, str]) -> int:
    """The number of crops; what fails is added to `skipped`."""
    crops = 0
    with ProgressLine("preparing", len(sources)) as line:
        for number, source in enumerate(sources, 1):
            try:
                count = writer.add(source)
                crops += count
                line.advance()
                line.say(f"{number}/{len(sources)} {source.shard}: {count} crops ({source.split})")
            except (UnusableImageError, OSError) as error:
                skipped[str(source.files[0])] = reason(error)
                line.advance()
    return crops
