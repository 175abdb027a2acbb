"""Which of the images that were found are what a run wants."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from n2n_tf.config import RunError
from n2n_tf.data.finding import listing, reason
from n2n_tf.data.picking import Picked
from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.formats.page import MOSAIC, Page
from n2n_tf.formats.pixels import check_type


@dataclass(frozen=True)
class Wanted:
    """What images have to be; others are skipped.

    Attributes:
        channels: alpha not counted.
        kind: a name of `KINDS`.
        side: of a crop in pixels; smaller images are skipped. Flips of mosaics make it odd: they cost a row more.
        picked: names or numbers, from 1, of the channels of stacks whose planes are taken; all if there are none.
        whole: whether images are read whole, which the largest cannot be.
        clean: whether noise is added to them; of prepared pairs it is then the clean images that are taken.
    """

    channels: int
    kind: str
    side: int = 1
    picked: Sequence[str | int] = ()
    whole: bool = False
    clean: bool = False


def fitting(
    files: Iterable[str],
    pages_of: Callable[[str], list[Page]],
    axes_of: Callable[[str], list[Axes]],
    wanted: Wanted,
    given: Iterable[str],
) -> tuple[list[Page], dict[str, str]]:
    """The images in files that are what is wanted, and what was passed over, with the reason.

    Args:
        files: that may hold images.
        pages_of: the images of a file, by its header; raises UnusableImageError or OSError.
        axes_of: how they lie along time, depth and channels.
        wanted: what they have to be.
        given: where the files were found, for the error.

    Raises:
        UsageError: no file has the channels.
        RunError: no usable image; the text lists the reasons.
    """
    found: list[Page] = []
    skipped: dict[str, str] = {}
    picking = Picked(wanted.picked)
    for path in files:
        try:
            for page in picking.of(path, pages_of(path), axes_of):
                unfit = _unfit(page, wanted)
                if unfit:
                    skipped[str(page)] = unfit
                else:
                    found.append(page)
        except (UnusableImageError, OSError) as error:
            skipped[path] = reason(error)
    picking.check(len(found))
    if not found:
        raise RunError(f"no usable image in {' '.join(given)}:\n" + listing(skipped))
    picking.say()
    return found, skipped


def _unfit(page: Page, wanted: Wanted) -> str | None:
    channels, kind, side = wanted.channels, wanted.kind, wanted.side
    try:
        check_type(page.dtype)
    except UnusableImageError as error:
        return str(error)
    if page.colors != channels:
        return f"{page.colors} channel(s), wanted {channels}; train with `channels` {page.colors} for such images"
    if page.is_raw != (kind == MOSAIC):
        return f"{channels} channels that are {'a' if page.is_raw else 'no'} raw mosaic; wanted images of kind {kind}"
    if min(page.height, page.width) < side:
        return f"{page.width}×{page.height} pixels, smaller than the {side}×{side} needed"
    if wanted.whole and page.height * page.width > MAX_PIXELS:
        return f"{page.width}×{page.height} pixels; `noise_once` wants images read whole, of at most {MAX_PIXELS}"
    return None
