"""What `n2n-tf evaluate` does with SIDD's files of blocks."""

import argparse
import os
from pathlib import Path

from n2n_tf.cli.denoisers import build_denoiser
from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import COUNTS, MOSAIC
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks.quiet import quiet_import


def add_block_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    path = os.path.expanduser
    parser.add_argument(
        "--block-names", type=path, metavar="FILE", help="scene instances of SIDD's blocks, one name in a line"
    )
    parser.add_argument("--pattern", help="CFA pattern of all blocks, instead: RGGB, BGGR, GRBG or GBRG")
    parser.add_argument(
        "--submission",
        type=path,
        metavar="FILE",
        help="denoise the blocks in --noisy for SIDD's benchmark, into a .mat or .csv file; no scores",
    )


def are_blocks(path: str | None) -> bool:
    """Whether a path is that of a MAT file, not of a folder."""
    return path is not None and path.lower().endswith(".mat")


def check_blocks(args: argparse.Namespace) -> None:
    """What can be checked without TensorFlow."""
    if are_blocks(args.noisy) != are_blocks(args.clean) and not args.submission:
        raise UsageError("--noisy and --clean: wanted two folders or two MAT files of blocks")
    if not are_blocks(args.noisy):
        for name in ("block_names", "pattern", "submission"):
            if getattr(args, name):
                raise UsageError(f"--{name.replace('_', '-')}: is for SIDD's blocks; wanted --noisy FILE.mat")
        return
    if args.range is not None:
        raise UsageError("--range: SIDD's blocks have black at 0 and white at 1; leave it out")
    if args.block_names and args.pattern:
        raise UsageError("--block-names and --pattern: both tell the CFA pattern; leave one out")
    for name in ("noisy", "clean", "block_names"):
        if getattr(args, name) and not os.path.isfile(getattr(args, name)):
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: no such file")
    if args.submission:
        _check_submission(args)
    elif args.protocol != "float":
        raise UsageError(f"--protocol {args.protocol}: would round raw blocks to 8 bits; say --protocol float")


def _check_submission(args: argparse.Namespace) -> None:
    target = Path(args.submission)
    for name in ("json", "output"):
        if getattr(args, name):
            raise UsageError(f"--{name} with --submission: there are no scores to write; leave it out")
    if args.clean or len(args.models) > 1:
        raise UsageError("--submission: takes one MODEL and --noisy FILE.mat, without --clean")
    if target.suffix.lower() not in (".mat", ".csv"):
        raise UsageError(f"--submission {target}: wanted a name that ends in .mat or .csv")
    if target.exists() or not target.absolute().parent.is_dir():
        problem = "exists already; name another" if target.exists() else "no such folder"
        raise UsageError(f"--submission {target}: {problem}")


def submit(args: argparse.Namespace) -> None:
    """Denoise the blocks of the benchmark."""
    with quiet_import():
        from n2n_tf.evaluation import blocks
        from n2n_tf.tasks.evaluate import check_raw
    noisy = blocks.read(args.noisy)
    patterns = [pattern for _, pattern in blocks.instances(args.noisy, len(noisy), args.block_names, args.pattern)]
    denoiser = build_denoiser(args.models[0], args, form=(COUNTS[MOSAIC], MOSAIC))
    check_raw(denoiser.channels, denoiser.kind)
    with ProgressLine("denoising", noisy.shape[0] * noisy.shape[1]) as line:
        try:
            denoised = blocks.denoised(denoiser, noisy, patterns, line.advance)
        except (ValueError, MemoryError) as error:  # too little memory
            raise RunError(f"{error}; nothing was written") from error
        blocks.write_submission(Path(args.submission), denoised)
        line.say(f"{args.submission}: {'×'.join(map(str, denoised.shape))}")
