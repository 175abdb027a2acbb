"""Maps of the error to expect, one for each image of a file, as a TIFF."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from n2n_tf.files import writing
from n2n_tf.formats.tiff.ome_writer import CLASSIC

DESCRIPTION = "standard deviation to expect of denoised - noise-free at each pixel, in the units of the image"


class MapFile:
    """A float32 TIFF under construction.

    Attributes:
        known: how many of its maps are known.
    """

    def __init__(self, file: tifffile.TiffWriter):
        self._file, self.known = file, 0

    def add(self, deviation: np.ndarray | None, shape: tuple[int, ...]) -> None:
        """One more page, [H, W, C]; not a number throughout if it is not known."""
        self.known += deviation is not None
        page = np.full(shape, np.nan, np.float32) if deviation is None else deviation
        self._file.write(
            page if shape[-1] > 1 else page[..., 0],
            photometric="minisblack",
            planarconfig="contig" if shape[-1] > 1 else None,
            extrasamples=["unspecified"] * (shape[-1] - 1) or None,
            description=DESCRIPTION,
            metadata=None,
            software=False,
        )


@contextlib.contextmanager
def map_file(path: Path, numbers: int) -> Iterator[MapFile]:
    """A file to fill; it is there in the end if all went well and one of its maps is known. An older one goes.

    Args:
        path: of it.
        numbers: how many it will hold.
    """
    with contextlib.suppress(_NothingKnownError), writing(path) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=4 * numbers > CLASSIC) as file:
            made = MapFile(file)
            yield made
        if not made.known:
            raise _NothingKnownError
        return
    path.unlink(missing_ok=True)


class _NothingKnownError(Exception):
    """Nothing is to be written."""
