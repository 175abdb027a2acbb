"""Workers of a Dask cluster that denoise files, or blocks of an OME-Zarr image, from one recipe."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from n2n_tf.config import RunError
from n2n_tf.files import partial_name, sweep
from n2n_tf.tasks.crew_work import BlockPiece, Done, FilePiece, Piece, ZarrJob, carried_out
from n2n_tf.tasks.recipe import Recipe

if TYPE_CHECKING:
    from distributed import Client, Future

    from n2n_tf.tasks.plan import Plan

logger = logging.getLogger(__name__)

EACH = 2  # pieces that a worker has: one that it does, one that waits, so that none stands idle
TICK = 2.0  # seconds between looks at the workers
ABSENT = 60.0  # seconds without any worker after which a job ends; a restarted one is there in 5


@dataclass(frozen=True)
class Crew:
    """Workers with a denoiser of their own.

    Attributes:
        client: of Dask.
        name: of the scheduler, for errors.
        recipe: of the denoiser.
    """

    client: Client
    name: str
    recipe: Recipe

    def files(self, sources: Sequence[str], plan: Plan) -> Iterator[tuple[str, Exception | None]]:
        """Denoise files of a plan into their results; each as it is done, with the error where it failed.

        Raises:
            RunError: a worker that cannot do any of them; no worker; the scheduler has gone.
        """
        folders = {plan.files[source].parent for source in sources}
        with _marker(folders) as marker:
            pieces = [self._piece(source, plan, marker) for source in sources]
            for number, done in self.each(pieces):
                yield sources[number], _located(done)
        sweep.cache_clear()  # what workers of this machine left that were killed
        for folder in folders:
            sweep(folder)

    def blocks(self, job: ZarrJob, level: int, numbers: Sequence[int]) -> Iterator[tuple[int, bool]]:
        """Make blocks of a level; each once it and all before it are done, and whether there is data in it.

        Raises:
            ValueError, OSError, MemoryError, RunError: one of them failed.
            RunError: as for `files`.
        """
        pieces, made, first = [BlockPiece(job, level, number) for number in numbers], {}, 0
        for number, done in self.each(pieces):
            if error := _located(done):
                raise error
            made[number] = done.result
            while first in made:
                yield numbers[first], made.pop(first)
                first += 1

    def each(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, Done]]:
        """Have all pieces done: the number of each as it is done, and what became of it.

        The first ones are given out first, and only as many as keep the workers at work: one that stays undone stays
        near to those that are done.
        """
        from distributed import wait

        waiting = iter(enumerate(pieces))
        given: dict[Future, int] = {}
        here = _Presence(self)
        try:
            while True:
                room = EACH * max(here.workers(), 1) - len(given)
                for number, piece in itertools.islice(waiting, max(room, 0)):
                    given[self.client.submit(carried_out, self.recipe, piece, pure=False)] = number
                if not given:
                    return
                with contextlib.suppress(TimeoutError), self._lost(), self.client.as_current():
                    wait(list(given), timeout=TICK, return_when="FIRST_COMPLETED")
                for future in [each for each in given if each.done()]:
                    yield given.pop(future), self._result(future)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may have gone
                self.client.cancel(list(given), force=True)

    def _result(self, future: Future) -> Done:
        """What a worker gave; what it said is said here."""
        from distributed import KilledWorker

        try:
            with self._lost():
                done = future.result()
        except KilledWorker as error:
            return Done(error=RunError(f"{error.allowed_failures + 1} workers ended over it: too little memory?"))
        for level, text in done.said:
            logger.log(level, "%s", text)
        return done

    def _piece(self, source: str, plan: Plan, marker: Path | None) -> FilePiece:
        report = plan.beside.report
        beside = replace(plan.beside, report=report and Path(os.path.abspath(report)))
        return FilePiece(source, plan.files[source], beside, plan.channel, os.getcwd(), marker)

    @contextlib.contextmanager
    def _lost(self) -> Iterator[None]:
        """Tell of a scheduler that has gone."""
        from distributed.client import CancelledError

        try:
            yield
        except (CancelledError, ConnectionError) as error:
            raise self.gone() from error

    def gone(self) -> RunError:
        """The error of a scheduler that has gone."""
        return RunError(f"`scheduler` {self.name}: has gone; the same command goes on after what is written")


class _Presence:
    """How many workers there are, looked up now and then."""

    def __init__(self, crew: Crew):
        self._crew, self._count, self._looked, self._seen = crew, 0, float("-inf"), time.monotonic()

    def workers(self) -> int:
        """Their number.

        Raises:
            RunError: there has been none for `ABSENT` seconds, or the scheduler has gone.
        """
        now = time.monotonic()
        if now < self._looked + TICK:
            return self._count
        try:
            self._count, self._looked = len(self._crew.client.nthreads()), now
        except (OSError, AttributeError) as error:  # a client without its scheduler has nobody to ask
            raise self._crew.gone() from error
        if self._count:
            self._seen = now
        elif now > self._seen + ABSENT:
            raise RunError(
                f"`scheduler` {self._crew.name}: no worker for {ABSENT:g} s; start some: dask worker {self._crew.name}"
            )
        return self._count


def new_job(source: str, channel: Iterable[str], blocks: Iterable[Sequence[int]], place: str) -> ZarrJob:
    """An OME-Zarr image for the workers of this run."""
    return ZarrJob(source, tuple(channel), tuple(tuple(each) for each in blocks), place, uuid.uuid4().hex)


def _located(done: Done) -> Exception | None:
    """The error of a piece; one of another machine says which."""
    if done.error is None or done.host == socket.gethostname():
        return done.error
    reason = getattr(done.error, "strerror", None) or str(done.error)
    kind: Callable[[str], Exception] = RunError if isinstance(done.error, OSError) else type(done.error)
    return kind(f"{reason} (on {done.host})")


@contextlib.contextmanager
def _marker(folders: Iterable[Path]) -> Iterator[Path | None]:
    """A file above all folders, by which a worker sees that it is in the same file system; None if it cannot be."""
    path = Path(os.path.commonpath([os.path.abspath(each) for each in folders])) / partial_name("")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        yield None
        return
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
