"""A denoiser that needs no training set, where a trained one is wanted."""

import numpy as np

from n2n_tf.baselines.settings import BaselineSettings, baseline_of
from n2n_tf.config import MEMORY
from n2n_tf.config.kinds import COUNTS, RGB, kind_by_count
from n2n_tf.inference import Denoiser
from n2n_tf.value_range import Told, is_blank, told_range


class Baseline(Denoiser):
    """Array in, array out, as `Denoiser`; images are denoised whole, whatever memory that takes.

    Args:
        settings: a name of `BASELINES`, or its settings.
        channels: of the images that it is scored on; others are denoised too.
        kind: of the images, a name of `KINDS`; by the channels if it is not told. The channels of RGB images are
            denoised together, those of others one by one, unless the denoiser takes any.
        value_range: as for `Denoiser`; None: the whole of an integer's type, 0 to 1 of floats.

    Raises:
        UsageError: no such one, or its package is not installed.
    """

    pads = False  # no network needs it, and what was mirrored would be matched

    def __init__(
        self,
        settings: BaselineSettings | str,
        channels: int = COUNTS[RGB],
        kind: str | None = None,
        value_range: Told = None,
    ):
        self.settings = baseline_of(settings) if isinstance(settings, str) else settings
        self.channels, self.kind = channels, kind or kind_by_count(channels)
        self.value_range, self.told = None, told_range(value_range)
        self.memory, self.tile, self.ensemble, self.any_channels = MEMORY, None, False, True
        self.footprint, self.cell, self.halo, self.least = None, 1, 0, 1
        self._function = self.settings.build()

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless it is that of an image or of a batch."""
        if len(shape) not in (2, 3, 4) or 0 in shape:
            raise ValueError(f"the image has shape {shape}; wanted non-empty [H, W], [H, W, C] or [B, H, W, C]")

    def _on_channels(self, image: np.ndarray) -> np.ndarray:
        """float32 [H, W, any channels] -> the same; an image without contrast has nothing to denoise."""
        together = self.settings.jointly or (image.shape[-1] == COUNTS[RGB] and self.kind == RGB)
        if image.shape[-1] > 1 and not together:
            return np.concatenate([self._on_channels(one[..., None]) for one in np.moveaxis(image, -1, 0)], axis=-1)
        return image.copy() if is_blank(image) else self._function(image)
