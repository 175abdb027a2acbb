"""BMP: written with the old file's resolution; read by Pillow."""

from pathlib import Path

from PIL import Image

from n2n_tf.formats.encoding import squeezed
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Pages


def write(source: str, target: Path, images: Pages) -> None:
    """As `Format.write`.

    Raises:
        UnusableImageError: an image with alpha.
    """
    _, image = next(images)
    if image.shape[-1] in (2, 4):
        raise UnusableImageError("a BMP with alpha is not written; convert it to PNG")
    with Image.open(source) as old:
        Image.fromarray(squeezed(image)).save(target, "BMP", dpi=old.info.get("dpi", (0, 0)))
