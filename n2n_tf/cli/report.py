"""`n2n-tf report`: a page of a run, to look at and to show."""

import argparse
import os

from n2n_tf.tasks.quiet import quiet_import

HELP = "write report.html of a run, which need not be at its end"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "runs", nargs="+", type=os.path.expanduser, metavar="RUN", help="run directories; their page is rewritten"
    )


def run(args: argparse.Namespace) -> None:
    """Write the pages."""
    with quiet_import():
        from n2n_tf.training.page import write_page
        from n2n_tf.training.rundir import RunDirectory
    for path in args.runs:
        print(f"report: {write_page(RunDirectory(path))}")
