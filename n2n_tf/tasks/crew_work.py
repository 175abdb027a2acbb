"""What a worker of a cluster does: one file, or one block of an OME-Zarr image. Imports TensorFlow on first use.

A scheduler imports this too. A process does one piece at a time, however many threads it has: a denoiser takes all
cores and the memory that it was told.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from n2n_tf.config import RunError
from n2n_tf.tasks.quiet import quiet_import
from n2n_tf.tasks.recipe import Recipe

if TYPE_CHECKING:
    from n2n_tf.inference import Denoiser
    from n2n_tf.tasks.beside import Beside

_turn = threading.Lock()


class Piece(Protocol):
    """A piece of work, which travels; it keeps what lasts for the next one of its job by itself."""

    def __call__(self, recipe: Recipe) -> Any: ...


@dataclass
class Done:
    """What became of a piece.

    Attributes:
        host: where.
        result: what it gave.
        error: why it failed, of the kinds that a single file can fail with.
        said: level and text of what was logged meanwhile.
    """

    host: str = field(default_factory=socket.gethostname)
    result: Any = None
    error: Exception | None = None
    said: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class FilePiece:
    """One image file.

    Attributes:
        source, target, beside, channel: as `Plan` has them.
        folder: that paths are told from.
        marker: a file that is there for whoever sees the folder of the results.
    """

    source: str
    target: Path
    beside: Beside
    channel: tuple[str, ...]
    folder: str
    marker: Path | None

    def __call__(self, recipe: Recipe) -> None:
        from n2n_tf.data.picking import Picked
        from n2n_tf.formats import readers
        from n2n_tf.tasks.denoise_pages import denoise_file

        if self.marker and not self.marker.exists():
            raise _UnfitWorkerError(f"does not see {self.marker.parent}; wanted one folder that all workers see")
        source, target = self._from_here(self.source), Path(self._from_here(str(self.target)))
        picked = Picked(self.channel)
        pages = picked.of(source, readers.pages(source), readers.axes)
        sets = picked.sets(source, readers.axes) if picked.wanted else []
        denoise_file(denoiser_of(recipe), pages, target, lambda pixels: None, sets, self.beside)

    def _from_here(self, path: str) -> str:
        """A path as it was told, which is how reports name it, or where that leads elsewhere from here, in full."""
        return path if os.getcwd() == self.folder else os.path.join(self.folder, path)


@dataclass(frozen=True)
class ZarrJob:
    """An OME-Zarr image that is being denoised.

    Attributes:
        source: the image, a full path or a URL.
        channel: those that are denoised; all if there are none.
        blocks: their shapes, for each level.
        place: where the result grows.
        token: of this run; a later one opens all anew.
    """

    source: str
    channel: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]
    place: str
    token: str


@dataclass(frozen=True)
class BlockPiece:
    """One block of a level."""

    job: ZarrJob
    level: int
    number: int

    def __call__(self, recipe: Recipe) -> bool:
        return _maker(recipe, self.job, self.level)(self.number)


class _UnfitWorkerError(RunError):
    """No fault of the piece."""


def carried_out(recipe: Recipe, piece: Piece) -> Done:
    """Do a piece, on a worker.

    Raises:
        RunError: this worker cannot do any of them, or not this job; the text names it.
    """
    from n2n_tf.config import essence

    done = Done()
    with _turn, _heard(done.said):
        try:
            denoiser_of(recipe)
        except (ValueError, OSError, RunError) as error:
            raise RunError(f"worker on {done.host}: {essence(str(error))}") from error
        try:
            done.result = piece(recipe)
        except _UnfitWorkerError as error:
            raise RunError(f"worker on {done.host}: {error}") from error
        except (ValueError, OSError, MemoryError, RunError) as error:
            done.error = error
    return done


@functools.lru_cache(maxsize=2)
def denoiser_of(recipe: Recipe) -> Denoiser:
    """The denoiser of this process, which is loaded once."""
    with quiet_import():
        import tensorflow  # noqa: F401
    return recipe.build()


@functools.lru_cache(maxsize=2)
def _maker(recipe: Recipe, job: ZarrJob, level: int) -> Callable[[int], bool]:
    """What makes the blocks of a level."""
    from n2n_tf.formats.ome_zarr import open_image
    from n2n_tf.formats.zarr_channels import with_channels
    from n2n_tf.formats.zarr_place import ZarrPlace
    from n2n_tf.tasks.zarr_work import BlockWork, maker

    work = BlockWork(denoiser_of(recipe), with_channels(open_image(job.source), job.channel))
    work.use(job.blocks)
    return maker(work, ZarrPlace(job.place), level)


@contextlib.contextmanager
def _heard(said: list[tuple[int, str]]) -> Iterator[None]:
    """Put down what the library logs, in place of showing it here."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append((record.levelno, record.getMessage()))

    logger = logging.getLogger("n2n_tf")
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [Listener()], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])
