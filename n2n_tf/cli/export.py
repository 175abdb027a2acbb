"""`n2n-tf export`: a denoiser for TensorFlow Serving."""

import argparse
import os

from n2n_tf.cli.flags import Number, add_flags, given
from n2n_tf.config import FORMATS, HALVES, MAX_PIXELS, PACKAGE, PIXELS, PackageSettings, UsageError, coerced, composed
from n2n_tf.tasks.quiet import quiet_import

HELP = "export a denoiser as a SavedModel for TensorFlow Serving"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument("model", type=path, metavar="MODEL", help="run directory, .keras file, blind or blind_gray")
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
        "--format", choices=sorted(FORMATS),
        help="in this format instead; --output is the file, or of bioimageio, a package for bioimage.io, also a folder",
    )  # fmt: skip
    add_flags(parser.add_argument_group("of a bioimage.io package"), PackageSettings)


def run(args: argparse.Namespace) -> None:
    """Export, check, say where."""
    max_pixels = MAX_PIXELS if args.max_pixels is None else args.max_pixels
    if args.format and (args.half or args.max_pixels):
        raise UsageError("--half and --max-pixels have no effect with --format: leave them out")
    told = given(args, PackageSettings)
    if told and args.format != PACKAGE:
        raise UsageError(f"`{next(iter(told))}` has no effect without `format` {PACKAGE}: leave it out")
    package = composed(PackageSettings, coerced(PackageSettings, told))
    with quiet_import():
        from n2n_tf.exporting import export, export_core
    if args.format:
        print(f"exported: {export_core(args.model, args.output, args.format, package)}")
        return
    version = export(args.model, args.output, max_pixels, args.half)
    print(f"exported: {version}; checked through TensorFlow's C++ loader, see {version / 'model_card.md'}")
