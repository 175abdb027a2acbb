"""`n2n-tf`: parse, run one command, turn errors into a line and an exit status."""

import argparse
import difflib
import io
import logging
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

from PIL import Image

from n2n_tf.cli import compare, convert, denoise, evaluate, export, inspect, prepare, report, serve, train
from n2n_tf.cli.spoken import Spoken, as_flags
from n2n_tf.config import LostWorkerError, RunError, StoppedError, UsageError, essence

COMMANDS = {
    "inspect": inspect,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "denoise": denoise,
    "export": export,
    "serve": serve,
    "convert": convert,
    "report": report,
}


class Parser(argparse.ArgumentParser):
    """argparse, with the nearest flag named when one is misspelt."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("unrecognized arguments: ")[2].split()
        known = list(_flags(self))
        near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1) if unknown else []
        super().error(message + (f"; did you mean {near[0]}?" if near else ""))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        Exit status: 0 success, 1 failure, 2 wrong usage, 75 another worker has gone, 130 stopped by Ctrl-C, 143 by
        SIGTERM. After 75 and 143 the same command can go on.
    """
    parser = Parser(prog="n2n-tf", description="Neighbor2Neighbor: train a denoiser from noisy images alone.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.HELP, allow_abbrev=False)
        command.add_arguments(subparser)
    argv = sys.argv[1:] if argv is None else argv
    try:
        args, more = parser.parse_known_args(argv)
        into = getattr(COMMANDS[args.command], "MORE", None)
        if into and not any(each.startswith("-") for each in more):
            getattr(args, into).extend(more)
        elif more:
            subparsers.choices[args.command].error(f"unrecognized arguments: {' '.join(more)}")
    except UsageError as error:  # a number outside its range
        return _say(argv[0], str(error), 2)
    args.command_line = shlex.join(["n2n-tf", *argv])
    Spoken.flags = {flag.removeprefix("--").replace("-", "_"): flag for flag in _flags(parser)}

    os.environ["KERAS_BACKEND"] = "tensorflow"  # a process of our own
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that its encoding lacks are shown escaped, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    _configure_logging()
    try:
        COMMANDS[args.command].run(args)
        return 0
    except KeyboardInterrupt:
        return 130
    except StoppedError:
        return 143  # as a process that SIGTERM ended
    except UsageError as error:
        return _say(args.command, str(error), 2)
    except LostWorkerError as error:
        return _say(args.command, str(error), 75)  # as BSD's EX_TEMPFAIL
    except (RunError, OSError) as error:
        return _say(args.command, str(error), 1)
    except Exception as error:
        if not _from_the_system(error):
            raise
        return _say(args.command, essence(str(error)), 1)


def _flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Of a parser and of all below it."""
    yield from parser._option_string_actions
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _flags(below)


def _configure_logging() -> None:
    """Our messages as they are, and once: a library gives the root logger a handler too."""
    logger = logging.getLogger("n2n_tf")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.handlers = [logging.StreamHandler()]
    logger.handlers[0].setFormatter(Spoken())
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sizes are checked before anything is decoded


def _say(command: str, text: str, status: int) -> int:
    print(f"n2n-tf {command}: error: {as_flags(text)}", file=sys.stderr)
    return status


def _from_the_system(error: Exception) -> bool:
    """Whether TensorFlow reports a full disk, a missing right, too little memory, rather than a mistake of ours."""
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    names = (
        "ResourceExhausted", "PermissionDenied", "FailedPrecondition", "NotFound", "OutOfRange", "DataLoss",
        "Unimplemented", "Unavailable", "Aborted",
    )  # fmt: skip
    return errors is not None and isinstance(error, tuple(getattr(errors, f"{name}Error") for name in names))
