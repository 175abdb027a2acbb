"""`n2n-tf prepare`: images cut into crops, in TFRecord shards to train on."""

import argparse
import os
import time

from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import RunError, UsageError
from n2n_tf.data import bayer
from n2n_tf.data.errors import UnusableImageError
from n2n_tf.data.images import listing, reason
from n2n_tf.progress import ProgressLine

HELP = "cut images into TFRecord shards to train on"
CROP, STEP = 512, 256  # as the authors cut SIDD


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("kind", choices=("sidd",), help="what the images are: sidd, raw images of that dataset")
    parser.add_argument("folder", type=os.path.expanduser, metavar="FOLDER", help="of the images; for sidd, its Data")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder of the shards, here or where tf.io.gfile writes (gs://…)"
    )
    parser.add_argument("--crop-size", type=int, default=CROP, metavar="N", help=f"side in pixels (default: {CROP})")
    parser.add_argument("--step", type=int, default=STEP, metavar="N", help=f"between crops (default: {STEP})")
    parser.add_argument(
        "--val-scenes", nargs="*", metavar="SCENE", help="scenes held out, as 010 (default: the last one); may be none"
    )


def run(args: argparse.Namespace) -> None:
    """Write the shards; go on where a stopped run was.

    Raises:
        UsageError: settings that cannot be right, or shards made with others in the output folder.
        RunError: no image could be used.
    """
    for name, value in (("--crop-size", args.crop_size), ("--step", args.step)):
        if value < 2 or value % 2:
            raise UsageError(f"{name} {value}: wanted an even number, at least 2: cells of a mosaic stay whole")
    with quiet_import():
        from n2n_tf.data.prepare import Writer, sidd_sources
    sources, skipped = sidd_sources(args.folder, args.val_scenes)
    if not sources:
        raise RunError(f"{args.folder}: no image of SIDD (<scene instance>/*_NOISY_RAW_*.MAT)\n" + listing(skipped))
    held_out = sorted({str(source.metadata["scene"]) for source in sources if source.split == "val"})
    settings = {"kind": args.kind, "step": args.step, "val_scenes": held_out}
    form = {"side": args.crop_size // 2, "channels": bayer.CHANNELS, "dtype": "float32"}
    writer = Writer(args.output, form, settings, args.step // 2)
    began, crops = time.monotonic(), 0
    with ProgressLine("preparing", len(sources)) as line:
        for number, source in enumerate(sources, 1):
            try:
                count = writer.add(source)
                crops += count
                line.advance()
                line.say(f"{number}/{len(sources)} {source.shard}: {count} crops ({source.split})")
            except (UnusableImageError, OSError) as error:
                skipped[source.path] = reason(error)
                line.advance()
    if skipped:
        print(f"{len(skipped)} files were skipped:\n{listing(skipped)}")
    if not crops:
        raise RunError(f"{args.folder}: none of its images can be used")
    seconds = time.monotonic() - began
    print(f"{crops} crops of {len(sources)} images in {seconds:.0f} s; scenes held out: {' '.join(held_out) or 'none'}")
    print(f"train on them: n2n-tf train --data {args.output} --noise none")
