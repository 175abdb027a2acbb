"""The noise of the images of a file: which of them are alike, and what it is in each kind."""

from collections.abc import Sequence

import numpy as np

from n2n_tf.data.finding import reason
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.inference import Denoiser
from n2n_tf.inspection.image_noise import ImageNoise, image_noise
from n2n_tf.inspection.images import middle_place
from n2n_tf.tasks.one_pass import LARGEST
from n2n_tf.value_range import ValueRange, filled

MOST = 8  # images of a file that its noise is measured on
MISSING = 1e-3  # share of pixels without data, filled by their neighbours', from which noise is not measured


class FileNoise:
    """Measures it, in units of the denoiser's value range.

    Attributes:
        known: by name of the kind of images, channels of a stack for instance; "" if there is one.
        pages: numbers of those that were looked at, evenly spaced.
        notes: why some were not measured.

    Args:
        denoiser: of the images.
        pages: of one file.
    """

    def __init__(self, denoiser: Denoiser, pages: Sequence[Page]):
        self._denoiser, self._names = denoiser, _names(pages)
        self.pages: set[int] = set()
        self.notes: list[str] = []
        self.known: dict[str, ImageNoise] = {}
        kinds: dict[str, list[Page]] = {}
        for page in pages:
            kinds.setdefault(self._names.get(page.number, ""), []).append(page)
        for name, alike in kinds.items():
            some = alike[:: -(-len(alike) // max(1, MOST // len(kinds)))]
            self.pages |= {page.number for page in some}
            if noise := self._measured(some):
                self.known[name] = noise

    def of(self, page: Page) -> ImageNoise | None:
        """Of images like this one; None if it could not be measured."""
        return self.known.get(self._names.get(page.number, ""))

    def _measured(self, pages: Sequence[Page]) -> ImageNoise | None:
        """Measured together, in units of the first one's range."""
        images: list[np.ndarray] = []
        scale: ValueRange | None = None
        for page in pages:
            try:
                image, its = self._middle(page)
            except (ValueError, OSError, MemoryError) as error:
                self.notes.append(f"not measured: {reason(error)}")
                continue
            scale = scale or its
            images.append(scale.to_unit(image))
        return image_noise(images, pages[0].kind, scale) if images and scale else None

    def _middle(self, page: Page) -> tuple[np.ndarray, ValueRange]:
        """Of an image, and which of its numbers are 0 and 1."""
        noisy = readers.read(page)[..., : page.colors]
        if noisy.dtype == bool:
            raise UnusableImageError("pixels of 1 bit have no noise to speak of")
        self._denoiser.check_shape(noisy.shape)
        image, missing = filled(noisy)
        if missing is not None and missing.mean() > MISSING:
            raise UnusableImageError(f"{100 * missing.mean():.2g} % of the pixels have no data")
        units = self._denoiser.units_of(image, page.limits)
        units.check(image)
        return image[middle_place(image.shape, LARGEST)].copy(), units.scale(image.dtype)


def _names(pages: Sequence[Page]) -> dict[int, str]:
    """What pages that are not alike are called: by channels of a stack, and by their own form."""
    if len(pages) == 1:
        return {}
    names: dict[int, str] = {}
    for each in readers.axes(pages[0].path):
        for place in range(each.sizes.get("C", 0)):
            name = (each.channels[place : place + 1] or ("",))[0] or f"channel {place + 1}"
            names |= dict.fromkeys(each.at("C", [place]).numbers.ravel().tolist(), name)
    if len({page.colors for page in pages}) > 1:
        names = {page.number: f"{names.get(page.number, '')} {page.kind}".strip() for page in pages}
    return names
