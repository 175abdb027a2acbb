"""Arrays to image files, as another file was: its format, bit depth and metadata."""

from collections.abc import Sequence
from pathlib import Path

from n2n_tf.formats import readers
from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Pages
from n2n_tf.formats.table import format_of
from n2n_tf.formats.tiff.ome_writer import write_ome


def write_like(source: str | Path, target: Path, images: Pages, sets: Sequence[Axes] = ()) -> None:
    """Write images in the format of `source`, with its EXIF, ICC profile, resolution and texts.

    JPEG and lossy WebP are encoded with quality 95. A compressed TIFF is compressed with Deflate.

    Args:
        source: the file whose images they were.
        target: path to write.
        images: page number and image, [H, W, C] of any dtype the format has, one after the other; files other
            than TIFF have one.
        sets: how those of a part of the file lie, which becomes an OME-TIFF, whatever the source is; then the images
            are in the order of `in_order`.

    Raises:
        UnusableImageError: the format cannot hold them.
        ValueError: as `images` raises it.
        OSError: a file cannot be read or written.
    """
    form = format_of(source)
    if form.write is None and not sets:
        raise UnusableImageError(f"{form.name} files are not written; convert it to PNG")
    try:
        if sets:
            write_ome(target, sets, readers.pages(source), images)
        elif form.write:
            form.write(str(source), target, images)
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # codecs and damaged metadata raise RuntimeError, struct.error and many more
        raise UnusableImageError(f"cannot be written: {error or repr(error)}") from error
