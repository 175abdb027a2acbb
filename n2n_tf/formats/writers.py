"""Arrays to image files, as another file was: its format, bit depth and metadata."""

from pathlib import Path

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Pages
from n2n_tf.formats.table import format_of


def write_like(source: str | Path, target: Path, images: Pages) -> None:
    """Write images in the format of `source`, with its EXIF, ICC profile, resolution and texts.

    JPEG and lossy WebP are encoded with quality 95. A compressed TIFF is compressed with Deflate.

    Args:
        source: the file whose images they were.
        target: path to write.
        images: page number and image, [H, W, C] of any dtype the format has, one after the other; files other
            than TIFF have one.

    Raises:
        UnusableImageError: the format cannot hold them.
        ValueError: as `images` raises it.
        OSError: a file cannot be read or written.
    """
    form = format_of(source)
    if form.write is None:
        raise UnusableImageError(f"{form.name} files are not written; convert it to PNG")
    try:
        form.write(str(source), target, images)
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # codecs and damaged metadata raise RuntimeError, struct.error and many more
        raise UnusableImageError(f"cannot be written: {error or repr(error)}") from error
