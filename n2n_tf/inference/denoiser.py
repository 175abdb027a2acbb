"""Denoise arrays of any size, in tiles where memory asks for it."""

import functools
import logging
import math
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config import MEMORIES, MEMORY
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.inference.footprint import Footprint, footprint_of
from n2n_tf.inference.kinds import channels_of, kind_of_network
from n2n_tf.inference.ranged import Units, range_of
from n2n_tf.inference.tiling import Span, Tile, kept, padded_part, spans, tile_shape
from n2n_tf.inference.turns import over_turns
from n2n_tf.value_range import Told, ValueRange, by_rule, filled, misfit, told_range

logger = logging.getLogger(__name__)

SIDE_MULTIPLE = 32  # what the U-Net's five poolings need; harmless for networks that need less
OCCUPIED = 0.65  # GB of Python, TensorFlow and the network, before any image; measured
COPIES = 2.5  # of an image: noisy, denoised, and what its file's reader or writer holds
OVERHEAD = 1.7  # bytes that TensorFlow takes for each byte of tensors; measured on CPUs, with what follows a tile


class Denoiser:
    """A network made ready for repeated calls: array in, array out, any size, without tracing anew for each size.

    An image is padded by reflection, at its right and bottom, to what the network's poolings need, and cropped back.
    Above the memory budget it is cut into tiles whose overlap covers the network's reach (128 pixels for the paper's
    U-Net, whose receptive field is 288; see `Footprint`): the result is that of the whole image, within float32's
    rounding (1e-5).

    Args:
        network: image in, image out, float32 [B, H, W, C] of any H and W, in [0, 1] or with a value range inside.
        memory: GB of resident memory that the process may take; decides when to tile, and how large the tiles are.
        tile: side of the tiles in pixels instead, a multiple of 32.
        ensemble: mean over the 8 flips and rotations of the image; takes 8 times as long.
        any_channels: take gray images with a colour network, as equal channels whose mean is the result, and colour
            images with a gray network, channel by channel. Without it they are refused.
        value_range: the images' intensities that stand for the network's own range, or a name of `RULES`, which say
            them of each image; None if images are in the network's units, see `Units`.

    Raises:
        ValueError: a network of another form, a range that is none, or tiles that it cannot be computed in.

    Examples:
        >>> import numpy as np, n2n_tf
        >>> denoiser = n2n_tf.Denoiser(n2n_tf.load_denoiser("blind_gray"), value_range="dtype")
        >>> [denoiser(np.full(shape, 1000, np.uint16)).shape for shape in ((33, 20), (2, 16, 40, 1))]
        [(33, 20), (2, 16, 40, 1)]
    """

    pads = True  # whether the paper's test code pads images for it

    def __init__(
        self,
        network: keras.Model,
        memory: float = MEMORY,
        tile: int | None = None,
        ensemble: bool = False,
        any_channels: bool = False,
        value_range: Told = None,
    ):
        self.channels, self.kind = channels_of(network), kind_of_network(network)
        if memory not in MEMORIES:
            raise ValueError(f"memory {memory:g}: wanted GB {MEMORIES}")
        self.memory, self.tile, self.ensemble, self.any_channels = memory, tile, ensemble, any_channels
        self.value_range, self.told = range_of(network), told_range(value_range)
        self.footprint = self._footprint(network)
        self.cell = math.lcm(SIDE_MULTIPLE, self.footprint.cell if self.footprint else 1)
        self.halo = -(-self.footprint.reach // self.cell) * self.cell if self.footprint else 0
        self.least = 2 * self.halo + self.cell  # side of the smallest useful tile
        if tile is not None and (tile < self.least or tile % self.cell):
            raise ValueError(f"tile {tile}: wanted a multiple of {self.cell}, at least {self.least}, for this network")
        self._network = network

    def __call__(
        self, noisy: np.ndarray, on_tile: Callable[[int], None] | None = None, limits: ValueRange | None = None
    ) -> np.ndarray:
        """Denoise one image or a batch.

        Args:
            noisy: [H, W], [H, W, C] or [B, H, W, C], of a type that `Units` takes. Pixels that are infinite, not a
                number, or masked are denoised around, and stay what they are.
            on_tile: called after each tile with the number of pixels done by it.
            limits: as `units_of` takes them.

        Returns:
            Array of the same shape and dtype; integers are rounded and clipped, floats are not clipped.

        Raises:
            ValueError: a shape, channel count, dtype or values that do not fit, or too little memory.
        """
        noisy = np.asanyarray(noisy)
        self.check_shape(noisy.shape)
        batch = {2: noisy[None, ..., None], 3: noisy[None]}.get(noisy.ndim, noisy)
        denoised = np.empty_like(batch)
        for given, result in zip(batch, denoised, strict=True):
            image, missing = filled(given)
            units = self.units_of(image, limits)
            units.check(image)
            for tile in self.tiles(image, units, held=noisy.nbytes):
                result[tile.place] = units.leave(tile.denoised, result.dtype)
                if on_tile:
                    on_tile(tile.denoised.shape[0] * tile.denoised.shape[1])
            if missing is not None:
                result[missing] = given[missing]
        return denoised.reshape(noisy.shape)

    def tiles(self, image: np.ndarray, units: Units, spread: bool = False, held: int = 0) -> Iterator[Tile]:
        """Denoise one image, a tile at a time; the tiles cover it once.

        Args:
            image: [H, W, C], all of whose pixels are numbers, and which `units.check` takes.
            units: what they mean.
            spread: tell that too; takes 8 times as long, as an ensemble does.
            held: bytes of the images that are in memory, if they are more than this one.

        Raises:
            ValueError: too little memory.
        """
        size = (held or image.nbytes) + (4 * image.size if spread else 0)
        for rows, columns in self._grid(image.shape[0], image.shape[1], size):
            part = units.enter(padded_part(image, rows, columns))
            in_image, in_tile = kept(rows, columns)
            height, width = image[in_image].shape[:2]  # cut where the padding begins
            if not (self.ensemble or spread):
                yield Tile(in_image, self._on_channels(part)[in_tile][:height, :width])
                continue
            results = over_turns(self._on_channels, part)
            first, mean, deviation = (each[in_tile][:height, :width] for each in results)
            yield Tile(in_image, mean if self.ensemble else first, deviation)

    def units_of(self, image: np.ndarray, limits: ValueRange | None = None) -> Units:
        """What an image's numbers mean.

        Args:
            image: of any type.
            limits: all values that it can have, where they are fewer than its type's: 12 bits in 16, say.
        """
        return Units(self.value_range, by_rule(self.told, image, limits))

    def misfit(self, image: np.ndarray) -> str | None:
        """What to tell of an image whose numbers are likely in other units than the network's."""
        told = self.told or self.kind == MOSAIC  # whose white is 1, however dark the scene
        found = None if told else misfit(image, self.value_range)
        where = self.value_range or "the whole of its type"
        if found is None:
            return None
        return (
            f"its pixels lie from {found}, this denoiser's from {where}: if they are in other units, say which of "
            "them count as 0 and 1 (`range`)"
        )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless this network takes images of it: [H, W], [H, W, C] or [B, H, W, C]."""
        channels = 1 if len(shape) == 2 else shape[-1] if shape else 0
        fits = channels == self.channels or (self.any_channels and 1 in (channels, self.channels))
        if len(shape) not in (2, 3, 4) or 0 in shape or not fits:
            raise ValueError(
                f"the image has shape {shape}; this network takes non-empty [H, W, {self.channels}], "
                f"[B, H, W, {self.channels}]{' or [H, W]' if self.channels == 1 else ''}"
            )

    @functools.cached_property
    def _predict(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The network, traced once for all sizes; as a concrete function, since TensorFlow warns of many others."""
        network, signature = self._network, tf.TensorSpec([None, None, None, self.channels], tf.float32)
        return tf.function(lambda image: network(image, training=False)).get_concrete_function(signature)

    def _on_channels(self, image: np.ndarray) -> np.ndarray:
        """float32 [H, W, any channels that fit] -> the same, through the channels of the network."""
        if image.shape[-1] == self.channels:
            return self._predict(tf.constant(image[None]))[0].numpy()
        if self.channels == 1:
            return np.concatenate([self._on_channels(one[..., None]) for one in np.moveaxis(image, -1, 0)], axis=-1)
        return self._on_channels(np.repeat(image, self.channels, axis=-1)).mean(axis=-1, keepdims=True)

    def _grid(self, height: int, width: int, image_bytes: int) -> list[tuple[Span, Span]]:
        """The tiles of an image of this size."""
        height, width = (-(-side // self.cell) * self.cell for side in (height, width))
        shape = height, width
        if self.tile:
            shape = min(height, self.tile), min(width, self.tile)
        elif self.footprint:
            pixel = self.footprint.floats_per_pixel * 4 * OVERHEAD / 1e9
            occupied = OCCUPIED + COPIES * image_bytes / 1e9
            least = min(height, self.least) * min(width, self.least)
            if occupied + least * pixel > self.memory:
                needed = math.ceil(10 * (occupied + least * pixel)) / 10
                raise ValueError(f"memory {self.memory:g} GB: this image needs at least {needed:g} GB")
            most = int(min((self.memory - occupied) / pixel, height * width))
            shape = tile_shape(height, width, self.cell, self.halo, most)
        return [(r, c) for r in spans(height, shape[0], self.halo) for c in spans(width, shape[1], self.halo)]

    def _footprint(self, network: keras.Model) -> Footprint | None:
        try:
            return footprint_of(network)
        except ValueError as error:
            if self.tile:
                raise ValueError(f"tile {self.tile}: tiles would leave seams, since {error}") from error
            logger.warning("%s: images are denoised whole, whatever memory that takes", error)
            return None


def denoise(
    network: keras.Model,
    noisy: np.ndarray,
    memory: float = MEMORY,
    tile: int | None = None,
    ensemble: bool = False,
    value_range: Told = None,
) -> np.ndarray:
    """Denoise one image or a batch, of any size. For many calls make one `Denoiser`: it traces the network once.

    Arguments, result and errors are those of `Denoiser` and its call.

    Examples:
        >>> import numpy as np, n2n_tf
        >>> noisy = np.random.default_rng(0).normal(0.5, 0.1, (40, 50, 3)).astype(np.float32)
        >>> clean = n2n_tf.denoise(n2n_tf.load_denoiser("blind"), noisy)
        >>> clean.shape, clean.dtype.name, bool(clean.std() < noisy.std() / 4)
        ((40, 50, 3), 'float32', True)
    """
    return Denoiser(network, memory, tile, ensemble, value_range=value_range)(noisy)
