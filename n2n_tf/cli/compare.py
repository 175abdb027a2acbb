"""`n2n-tf compare`: train and score several methods, beside the paper's rows."""

import argparse
import os
import sys
from pathlib import Path

from n2n_tf.cli.flags import Number, add_flags, given
from n2n_tf.cli.spoken import as_flags
from n2n_tf.cli.tables import print_table
from n2n_tf.config import RunError, StoppedError, UsageError, at_least
from n2n_tf.tasks.comparison import read_comparison
from n2n_tf.tasks.comparison_file import STEPS, TIME
from n2n_tf.tasks.quiet import quiet_import
from n2n_tf.training.config import Config

HELP = "train and score several methods, beside the paper's rows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of its own, and those of `train`, which then are for all runs that they have an effect on."""
    path = os.path.expanduser
    parser.add_argument("table", type=path, metavar="TABLE.toml", help="methods, noises, tests; as those in configs/")
    parser.add_argument(
        "--output", type=path, metavar="DIR", help="holds the runs, tables and pictures (default: named as the table)"
    )
    parser.add_argument(
        "--test", nargs="+", default=[], metavar="NAME=DIR", help="folders of clean images, by their names in the table"
    )
    parser.add_argument("--equal", choices=(STEPS, TIME), help="what all runs have as much of (default: the table's)")
    parser.add_argument(
        "--plan", action="store_true", help="only say what each row costs on this machine; images need not be there yet"
    )
    parser.add_argument(
        "--only", metavar="CELL",
        help="train this one alone, as --plan names it; score nothing. Of a denoiser that needs no training: denoise "
        "the test images with it alone",
    )  # fmt: skip
    parser.add_argument(
        "--score", action="store_true",
        help="train nothing, only score what is there; denoisers that need no training keep the scores that they have",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, action=Number, within=at_least(1), metavar="N",
        help="noise draws for each test image (default: the paper's)",
    )  # fmt: skip
    add_flags(parser, Config)


def run(args: argparse.Namespace) -> None:
    """Check, then plan, train and score."""
    if args.only and (args.plan or args.score):
        raise UsageError("--only with --plan or --score: it only trains; leave one of them out")
    tests = {}
    for each in args.test:
        name, found, folder = each.partition("=")
        if not found or name in tests or not os.path.isdir(os.path.expanduser(folder)):
            raise UsageError(f"--test {each}: wanted NAME=DIR, a folder of clean images")
        tests[name] = os.path.expanduser(folder)
    comparison = read_comparison(args.table, given(args, Config), tests, args.equal)
    cells = [comparison.cell(args.only)] if args.only else comparison.cells
    with quiet_import():
        from n2n_tf.tasks.compare import Bench
    bench = Bench(comparison, args.output or Path(args.table).stem)
    if args.plan:
        print_table(bench.plan(args.repeats))
        if lacking := list(bench.lacking(cells)):
            print("before it is trained and scored:\n" + as_flags("\n".join(lacking)))
        return None
    if args.only and comparison.equal == TIME and not (bench.output / "costs.json").exists():
        raise UsageError("--only with equal time: the steps of a run follow from the costs of all; run --plan first")
    if args.only and cells[0].missing:
        raise UsageError(f"--only {args.only}: {cells[0].missing}")
    baseline = cells[0] if args.only and cells[0].baseline else None
    bench.check(cells, tests=not args.only or baseline is not None)
    try:
        failed = {} if args.score else bench.train(cells)
        scores = bench.denoise(baseline, args.repeats) if baseline else None
        if not args.only:
            scores = bench.score(args.repeats, closed=args.score)
    except (KeyboardInterrupt, StoppedError):
        print("\nstopped; the same command goes on", file=sys.stderr)
        raise
    if scores and not args.only:
        for noise in scores.results:
            print_table(scores.table(noise), noise)
        print(f"tables and pictures: {bench.output}")
    for noise, results in scores.results.items() if scores else ():
        failed |= {f"{noise}, {name}": why for name, why in results.lacking().items()}
    if failed:
        raise RunError(f"{len(failed)} failed:\n" + "\n".join(f"{name}: {why}" for name, why in failed.items()))
    return None
