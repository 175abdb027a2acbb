"""`n2n-tf train`: train a denoiser from noisy images alone."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from n2n_tf.cli.flags import add_flags, given
from n2n_tf.config import StoppedError, UsageError
from n2n_tf.tasks.quiet import quiet_import
from n2n_tf.training.config import Config
from n2n_tf.training.outcome import sentences
from n2n_tf.training.presets import PRESETS, build_config

HELP = "train a denoiser from noisy images alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of Config, and the few that are not settings of a run."""
    parser.add_argument("--preset", choices=sorted(PRESETS), help="a set of defaults; quick without --data")
    parser.add_argument("--config", metavar="FILE.toml", help="settings from a file; flags win over it")
    parser.add_argument("--output", metavar="DIR", help="run directory (default: runs/DATE-TIME)")
    parser.add_argument(
        "--resume", nargs="?", const="always", choices=("always", "auto"),
        help="go on with the stopped run in --output; auto: begin it if there is none, for jobs that are restarted",
    )  # fmt: skip
    add_flags(parser, Config)


def run(args: argparse.Namespace) -> None:
    """Check the settings, then train."""
    flags = given(args, Config)
    go_on = args.resume == "always"
    if go_on and (args.preset or args.config):
        raise UsageError("--resume: the run keeps its settings, so no --preset or --config")
    config = None if go_on else build_config(flags, args.preset, args.config)
    if args.output is None and (args.resume or flags.get("strategy") == "multiworker"):
        raise UsageError(f"--{'resume' if args.resume else 'strategy multiworker'}: name the run with --output DIR")
    output = args.output or time.strftime("runs/%Y%m%d-%H%M%S")
    with quiet_import():
        from n2n_tf.training import begin as training  # loads TensorFlow: only after the settings are checked
        from n2n_tf.training.build import check_names
    if config and args.config:
        try:
            check_names(config)
        except UsageError as error:
            raise UsageError(f"with --config {args.config}: {error}") from None
    try:
        _print(training.train(config, output, bool(args.resume)) if config else training.resume(output, flags))
    except (KeyboardInterrupt, StoppedError) as stopped:
        begun = training.RunDirectory(output).begun
        how = str(stopped) or "stopped"
        print(f"\n{how}" + f"; go on with: n2n-tf train --resume --output {output}" * begun, file=sys.stderr)
        raise


def _print(report: dict[str, Any]) -> None:
    if not report:
        return  # another worker has it
    print(*sentences(report), sep="\n")
    print(f"before and after: {report['picture']}")
    print(f"denoiser: {report['denoiser']} ({Path(report['denoiser']).stat().st_size / 1e6:.1f} MB)")
    if report.get("page"):  # earlier versions wrote none
        print(f"report: {report['page']}")
