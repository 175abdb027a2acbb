"""`n2n-tf train`: train a denoiser from noisy images alone."""

import argparse
import dataclasses
import sys
import time
import types
import typing
from pathlib import Path
from typing import Any

from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import PRESETS, Config, UsageError, build_config, flag

HELP = "train a denoiser from noisy images alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag for each field of Config, and the few that are not settings of a run."""
    parser.add_argument("--preset", choices=sorted(PRESETS), help="a set of defaults; quick without --data")
    parser.add_argument("--config", metavar="FILE.toml", help="settings from a file; flags win over it")
    parser.add_argument("--output", metavar="DIR", help="run directory (default: runs/DATE-TIME)")
    parser.add_argument("--resume", action="store_true", help="go on with the stopped run in --output")
    hints = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        parser.add_argument(
            flag(field.name),
            default=argparse.SUPPRESS,
            help=field.metadata["help"] + _default(field.default),
            **_type(hints[field.name], field.metadata),
        )


def run(args: argparse.Namespace) -> None:
    """Check the settings, then train."""
    names = {field.name for field in dataclasses.fields(Config)}
    flags = {name: value for name, value in vars(args).items() if name in names}
    if args.resume and (args.output is None or args.preset or args.config):
        raise UsageError("--resume: name the run with --output DIR; it keeps its settings, so no --preset or --config")
    config = None if args.resume else build_config(flags, args.preset, args.config)
    output = args.output or time.strftime("runs/%Y%m%d-%H%M%S")
    with quiet_import():
        from n2n_tf.training import run as training  # loads TensorFlow: only after the settings are checked
    try:
        _print(training.train(config, output) if config else training.resume(output, flags))
    except KeyboardInterrupt:
        begun = (Path(output) / "config.json").exists()
        print("\nstopped" + f"; go on with: n2n-tf train --resume --output {output}" * begun, file=sys.stderr)
        raise


def _print(report: dict[str, Any]) -> None:
    scores, images = report["scores"], f"{report['scored_images']} images"
    if "psnr" in scores:
        print(f"{images}: noisy {scores['noisy_psnr']:.2f} dB, denoised {scores['psnr']:.2f} dB (PSNR)")
    else:
        print(f"{images}: reconstruction {scores['reconstruction']:.6f}")
    print(f"before and after: {report['picture']}")
    print(f"denoiser: {report['denoiser']} ({Path(report['denoiser']).stat().st_size / 1e6:.1f} MB)")


def _default(value: Any) -> str:
    if value in (None, ()):
        return ""  # its help says what happens
    return f" (default: {' '.join(map(str, value)) if isinstance(value, tuple) else value})"


def _type(hint: Any, metadata: Any) -> dict[str, Any]:
    """What argparse wants to know about a field."""
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    kwargs: dict[str, Any] = {"metavar": metadata["metavar"]}
    if metadata["choices"]:
        kwargs = {"choices": metadata["choices"]}
    inner = [each for each in typing.get_args(hint) if each not in (type(None), Ellipsis)]
    if typing.get_origin(hint) is tuple:
        kwargs["nargs"] = "+"
    if isinstance(hint, types.UnionType) or inner:
        hint = inner[0]
    return {**kwargs, "type": hint}
