"""`n2n-tf export`: a denoiser for TensorFlow Serving."""

import argparse
import os

from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import MAX_PIXELS, UsageError

HELP = "export a denoiser as a SavedModel for TensorFlow Serving"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument("model", type=path, metavar="MODEL", help="run directory or .keras file")
    parser.add_argument(
        "--output", required=True, type=path, metavar="DIR/NAME", help="the model's directory; gets the next version"
    )
    parser.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help="largest file accepted (default: %(default)s)"
    )
    parser.add_argument(
        "--half", nargs="?", const="float16", choices=("float16", "bfloat16"), help="half precision (default: float16)"
    )
    parser.add_argument(
        "--format", choices=("onnx", "litert"), help="the network alone in this format instead; --output is the file"
    )


def run(args: argparse.Namespace) -> None:
    """Export, check, say where."""
    if args.max_pixels < 1:
        raise UsageError(f"--max-pixels {args.max_pixels}: wanted at least 1")
    with quiet_import():
        from n2n_tf.exporting import export, export_core
    if args.format and args.half:
        raise UsageError("--half has no effect with --format: leave one of them out")
    if args.format:
        print(f"exported: {export_core(args.model, args.output, args.format)}")
        return
    version = export(args.model, args.output, args.max_pixels, args.half)
    print(f"exported: {version}; checked through TensorFlow's C++ loader, see {version / 'model_card.md'}")
