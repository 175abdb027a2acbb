"""Which OME-Zarr images folders, globs and URLs mean, and which of their planes a run wants."""

import logging
import os
from collections.abc import Iterator, Sequence

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.finding import matches, reason
from n2n_tf.data.fitting import Wanted, fitting
from n2n_tf.data.source import LARGEST_HELD_OUT
from n2n_tf.data.windowed import shown
from n2n_tf.data.zarr_images import ZarrImages, described
from n2n_tf.formats import table
from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.ome_zarr import open_image
from n2n_tf.formats.page import Page
from n2n_tf.formats.zarr_groups import images_at, images_in, is_zarr, walk
from n2n_tf.formats.zarr_place import is_url
from n2n_tf.formats.zarr_planes import axes, chunk_bytes, planes

logger = logging.getLogger(__name__)

FILE = "file://"
LARGE_CHUNK = 2**26  # bytes, decoded for each crop


def zarrs_at(path: str) -> bool:
    """Whether a path is a URL, or means folders one of which is or holds an OME-Zarr image."""
    path = path.removeprefix(FILE)
    if is_url(path):
        return True
    folders = [each for each in matches(path) if not _is_file(each)] if not _is_file(path) else []
    return any(_is_one(each) or any(images_in(each)) for each in folders)


def wanted_zarrs(paths: Sequence[str], wanted: Wanted, flag: str) -> ZarrImages:
    """Planes of the images under folders (recursively), globs and URLs; plates and collections are opened up.

    Raises:
        UsageError: a path does not exist, or other images are among them.
        RunError: a URL cannot be read, or no usable plane; the text lists the reasons.
    """
    groups = list(dict.fromkeys(group for path in paths for group in _groups(path.removeprefix(FILE), flag)))
    stores = {}

    def pages_of(group: str) -> list[Page]:
        image = open_image(group)
        stores[group] = described(image)
        if (size := chunk_bytes(image)) > LARGE_CHUNK:
            logger.warning(
                "%s: chunks of %d MB, read whole for each crop: smaller ones train faster", group, size >> 20
            )
        return planes(image)

    def axes_of(group: str) -> list[Axes]:
        return [axes(open_image(group))]

    pages, skipped = fitting(groups, pages_of, axes_of, wanted, paths)
    if any(shown(page) != (page.height, page.width) for page in pages):
        logger.info(
            "%s: of planes larger than %d×%d pixels windows of that size tell the value range, and the middle is what "
            "is scored where they are held out", flag, LARGEST_HELD_OUT, LARGEST_HELD_OUT,
        )  # fmt: skip
    return ZarrImages(pages, wanted.channels, skipped, stores=stores)


def _groups(path: str, flag: str) -> Iterator[str]:
    if is_url(path):
        try:
            yield from images_at(path)
        except (UnusableImageError, OSError) as error:
            raise RunError(f"{flag} {path}: {reason(error)}") from error
        return
    found = matches(path)
    if not found:
        raise UsageError(f"{flag} {path}: no such folder or file, and nothing matches it as a glob")
    for match in found:
        yield from _groups_in(match, flag)


def _groups_in(folder: str, flag: str) -> list[str]:
    """The images under a folder, which may be one."""
    found, others = [], [] if os.path.isdir(folder) else [folder]
    for at, is_image, files in walk(folder):
        if is_image:
            found.append(at)
        else:
            others += [os.path.join(at, name) for name in files if _is_file(name)][:1]
    if others:
        raise UsageError(
            f"{flag}: OME-Zarr images and files of other formats, as {others[0]}, are not read together; name the ones "
            "or the others"
        )
    return found or ([folder] if _is_one(folder) else [])  # for its error


def _is_file(path: str) -> bool:
    """Of another format, by its name: there may be millions, and the disk is not asked about them."""
    return _suffix(path) in table.suffixes()


def _is_one(folder: str) -> bool:
    """Whether a folder is or is called a Zarr group, or array."""
    return os.path.isdir(folder) and (_suffix(folder) == ".zarr" or is_zarr(folder))


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
