"""Denoise an OME-Zarr image of any size into another, block by block."""

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from n2n_tf.formats.ome_zarr import open_image
from n2n_tf.formats.zarr_channels import with_channels
from n2n_tf.formats.zarr_place import ZarrPlace, is_url
from n2n_tf.inference import Denoiser
from n2n_tf.tasks.zarr_output import RECORD, ZarrOutput, opened
from n2n_tf.tasks.zarr_work import BlockWork, maker, same_job

if TYPE_CHECKING:
    from n2n_tf.tasks.crew import Crew

logger = logging.getLogger(__name__)

Workers = Callable[[int, range], Iterator[tuple[int, bool]]]  # a level and numbers of blocks -> as `_here`


def denoise_zarr(
    denoiser: Denoiser,
    source: str,
    target: str,
    overwrite: bool = False,
    channel: Sequence[str] = (),
    on_pixels: Callable[[int, int], object] = lambda done, total: None,
    crew: "Crew | None" = None,
) -> None:
    """Denoise an OME-Zarr image (0.4 or 0.5) into another of equal metadata, types, chunks and levels.

    Each plane is denoised as if it were done whole, see `Denoiser`, but blocks of it are read, denoised and written one
    by one. Where that was begun before and killed, it goes on; blocks that were written are not done again. Chunks that
    hold nothing but the fill value, as those that are not stored, or floats that are no numbers, hold no data and stay
    as they are. The smaller levels are made of the denoised one: each pixel is the mean of those that it stands for, in
    the next larger level whose factors divide its own. Labels are left out.

    Args:
        denoiser: of one channel, for each plane; or of as many as the image has, for all channels together.
        source, target: folders, or URLs of fsspec.
        overwrite: replace what is at the target; without it that is an error.
        channel: names, or numbers from 1, of the channels that are denoised and written; all if there are none.
        on_pixels: called with the pixels done and those of all blocks, in full size, after each block.
        crew: workers with the same denoiser, that make the blocks; without it this process does.

    Raises:
        UnusableImageError: an image that cannot be read, or is none for this denoiser.
        ValueError: as `Denoiser` raises it; too little memory.
        RunError: another process writes there.
        FileExistsError: something is at the target, or what was begun there is another job.
        OSError: it cannot be read or written.
    """
    image = with_channels(open_image(source), channel)
    if image.labels:
        logger.warning("%s: its labels are left out", source)
    with opened(target) as output:
        if not overwrite and exists(target):
            raise FileExistsError(f"{target}: exists already; overwrite it, or name another")
        work = BlockWork(denoiser, image)
        if other := work.misfit():
            logger.warning("%s: %s", source, other)
        resumed = _begin(work, output, overwrite) or crew is not None  # a worker that was killed leaves what it wrote
        workers = _workers(crew, work, output, channel) if crew else None
        try:
            for level in range(len(image.levels)):
                _make(work, level, output, on_pixels, workers)
        except ValueError:
            if not any(output.done):
                output.discard()
            raise
        output.finish(image, resumed)


def exists(target: str) -> bool:
    """Whether something is at the place of a result that is not an unfinished one."""
    if not is_url(target):
        return os.path.lexists(target)
    place = ZarrPlace(target)
    return place.holds() and place.read(RECORD) is None


def _begin(work: BlockWork, output: ZarrOutput, overwrite: bool) -> bool:
    """Begin, or go on with what was begun; which of these."""
    job, record = work.description(), output.begun(work.image)
    if record is None or (overwrite and not same_job(record, job)):
        output.begin(work.image, job)
        return False
    if not same_job(record, job):
        raise FileExistsError(
            f"{output.target}: was begun with another model or image, and not ended; give those again, or overwrite it"
        )
    work.use(record["job"]["blocks"])
    output.go_on(record)
    logger.info("%s: going on after %d blocks", output.target, sum(output.done))
    return True


def _make(
    work: BlockWork, level: int, output: ZarrOutput, on_pixels: Callable[[int, int], object], workers: Workers | None
) -> None:
    """Make what is missing of a level."""
    blocks = work.blocks[level]
    pixels, numbers = math.prod(blocks.shape), range(output.done[level], len(blocks))
    for number, data in workers(level, numbers) if workers else _here(work, output, level, numbers):
        if data or number + 1 == len(blocks):
            output.put_down(level, number + 1)
        if level == 0:
            on_pixels(pixels * (number + 1) // len(blocks), pixels)


def _here(work: BlockWork, output: ZarrOutput, level: int, numbers: range) -> Iterator[tuple[int, bool]]:
    """Make blocks in this process: the number of each, and whether there is data in it."""
    make = maker(work, output.place, level)
    yield from ((number, make(number)) for number in numbers)


def _workers(crew: "Crew", work: BlockWork, output: ZarrOutput, channel: Sequence[str]) -> Workers:
    """The same in other processes."""
    from n2n_tf.tasks.crew import new_job

    source, place = work.image.place, output.place
    job = new_job(_full(source), channel, [each.block for each in work.blocks], _full(place))
    return lambda level, numbers: crew.blocks(job, level, numbers)


def _full(place: ZarrPlace) -> str:
    return os.path.abspath(place.path) if place.local else place.path
