"""`n2n-tf export`: a denoiser for TensorFlow Serving."""

import argparse
import os

from n2n_tf.cli.flags import Number
from n2n_tf.config import FORMATS, HALVES, MAX_PIXELS, PIXELS, UsageError
from n2n_tf.tasks.quiet import quiet_import

HELP = "export a denoiser as a SavedModel for TensorFlow Serving"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument("model", type=path, metavar="MODEL", help="run directory or .keras file")
    parser.add_argument(
        "--output", required=True, type=path, metavar="DIR/NAME", help="the model's directory; gets the next version"
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        action=Number,
        within=PIXELS,
        metavar="N",
        help=f"largest image or batch accepted in pixels, sides rounded up to 32 (default: {MAX_PIXELS})",
    )
    parser.add_argument("--half", nargs="?", const="float16", choices=HALVES, help="half precision (default: float16)")
    parser.add_argument(
        "--format", choices=sorted(FORMATS), help="one file in this format instead; --output is the file"
    )


def run(args: argparse.Namespace) -> None:
    """Export, check, say where."""
    max_pixels = MAX_PIXELS if args.max_pixels is None else args.max_pixels
    if args.format and (args.half or args.max_pixels):
        raise UsageError("--half and --max-pixels have no effect with --format: leave them out")
    with quiet_import():
        from n2n_tf.exporting import export, export_core
    if args.format:
        print(f"exported: {export_core(args.model, args.output, args.format)}")
        return
    version = export(args.model, args.output, max_pixels, args.half)
    print(f"exported: {version}; checked through TensorFlow's C++ loader, see {version / 'model_card.md'}")
