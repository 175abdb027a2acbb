"""`n2n-tf denoise --scheduler`: on the workers of a Dask cluster."""

import argparse
import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from n2n_tf.cli.denoisers import sizes_of
from n2n_tf.config import MEMORY, UsageError

if TYPE_CHECKING:
    from distributed import Client

    from n2n_tf.baselines.settings import BaselineSettings
    from n2n_tf.tasks.crew import Crew
    from n2n_tf.value_range import Told

logger = logging.getLogger(__name__)


def add_scheduler_argument(parser: argparse.ArgumentParser) -> None:
    """The flag."""
    parser.add_argument(
        "--scheduler", metavar="WHERE",
        help="of a Dask cluster whose workers denoise, with n2n-tf[dask]: HOST:PORT, or the file that it wrote; local "
        "or local:N: processes of this machine. --memory is that of each",
    )  # fmt: skip


def check_with_scheduler(args: argparse.Namespace) -> None:
    """Raise UsageError where a cluster cannot do it."""
    if not args.scheduler:
        return
    from n2n_tf.tasks.cluster import check_scheduler

    if args.adapt is not None:
        raise UsageError(
            "--scheduler with --adapt: trains one model, in this process; first n2n-tf train --weights MODEL, then "
            "denoise with what it gives"
        )
    check_scheduler(args.scheduler)


@contextlib.contextmanager
def cluster(args: argparse.Namespace) -> "Iterator[Client | None]":
    """A client of --scheduler; None without it."""
    if not args.scheduler:
        yield None
        return
    from n2n_tf.tasks.cluster import connected

    with connected(args.scheduler, args.memory or MEMORY) as client:
        try:
            yield client
        except KeyboardInterrupt:
            logger.warning("stopped; the same command goes on after what is written")
            raise


def crew_of(
    client: "Client", model: "str | BaselineSettings", args: argparse.Namespace, value_range: "Told",
    form: tuple[int, str],
) -> "Crew":  # fmt: skip
    """Workers with the denoiser that `build_denoiser` makes."""
    from n2n_tf.tasks.crew import Crew
    from n2n_tf.tasks.recipe import Recipe

    if isinstance(model, str):
        settings = {"ensemble": args.ensemble, "any_channels": True, **sizes_of(args)}
    else:
        settings = dict(zip(("channels", "kind"), form, strict=True))
    return Crew(client, args.scheduler, Recipe.of(model, value_range=value_range, **settings))
