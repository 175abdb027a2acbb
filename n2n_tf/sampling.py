"""The random neighbor sub-sampler G = (g1, g2) of the paper, section 4.1.

An image is cut into k×k cells. In every cell two 4-adjacent pixels are drawn; the first goes to g1, the
second to g2. The two half-size images show the same scene, and their noise is independent as long as
the noise is independent between pixels: a noisy pair for Noise2Noise, from one noisy image.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import keras
import numpy as np
import tensorflow as tf


@functools.cache
def neighbor_pairs(k: int = 2) -> np.ndarray:
    """All ordered pairs of 4-adjacent pixels of one k×k cell.

    Args:
        k: side of a cell in pixels, at least 2.

    Returns:
        int32 [4k(k-1), 2]; pixels of a cell are numbered row-major. For k = 2 the order is
        (0,1) (0,2) (1,3) (2,3) (1,0) (2,0) (3,1) (3,2).
    """
    if k < 2:
        raise ValueError(f"a cell needs two neighbors, so k must be at least 2; got k = {k}")
    right = [(p, p + 1) for p in range(k * k) if p % k < k - 1]
    down = [(p, p + k) for p in range(k * k - k)]
    pairs = sorted(right + down)
    return np.array(pairs + [(b, a) for a, b in pairs], np.int32)


def draw_choice(shape: Sequence[int | tf.Tensor], seed: tf.Tensor, k: int = 2) -> tf.Tensor:
    """Draw one sub-sampler G: which pair of neighbors each cell gives.

    Args:
        shape: B, H, W of the images; more is ignored. Odd sizes floor, as the paper says.
        seed: int [2], stateless: the same seed gives the same sub-sampler.
        k: side of a cell in pixels.

    Returns:
        int32 [B, H//k, W//k], uniform row numbers of `neighbor_pairs(k)`.
    """
    batch, height, width = shape[:3]
    return tf.random.stateless_uniform([batch, height // k, width // k], seed, 0, len(neighbor_pairs(k)), tf.int32)


def sub_sample(image: tf.Tensor, choice: tf.Tensor, k: int = 2) -> tuple[tf.Tensor, ...]:
    """Apply a sub-sampler: g1(image), g2(image).

    All channels of a pixel go together, so every channel shares the draw.

    Args:
        image: [B, H, W, C], any dtype.
        choice: int32 [B, H//k, W//k] from `draw_choice`.
        k: side of a cell in pixels.

    Returns:
        Two tensors [B, H//k, W//k, C] of the image's dtype.

    Source: paper section 4.1, steps 1-3, and Figure 2.

    Examples:
        >>> image = tf.constant([[0, 1, 2, 3], [4, 5, 6, 7]])[None, ..., None]  # two cells, side by side
        >>> sub1, sub2 = sub_sample(image, tf.constant([[[0, 7]]]))  # their pixels 0 and 1, and 3 and 2
        >>> sub1.numpy().ravel().tolist(), sub2.numpy().ravel().tolist()
        ([0, 7], [1, 6])
    """
    return _gathered(image, tf.gather(neighbor_pairs(k), choice), k)


@dataclass(frozen=True)
class Sampler:
    """A sub-sampler G = (g1, g2): draws, applies, and says what sides it needs.

    Args:
        k: side of a cell in pixels.
    """

    k: int = 2

    def __post_init__(self) -> None:
        neighbor_pairs(self.k)  # for its error

    @property
    def apart(self) -> tuple[int, int]:
        """The distance of neighbors, (down, right)."""
        return 1, 1

    @property
    def divides(self) -> int:
        """What the sides of images are divided by."""
        return self.k

    def draw(self, shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """What each cell gives, as `draw_choice`, for images of this shape."""
        raise NotImplementedError

    def __call__(self, image: tf.Tensor, choice: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """g1(image), g2(image), as `sub_sample`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, int]) -> "Sampler":
        return cls(**config)


@keras.saving.register_keras_serializable("n2n_tf")
@dataclass(frozen=True)
class Neighbors(Sampler):
    """The paper's sub-sampler: in every cell an own draw of two neighbors.

    Args:
        k: side of a cell in pixels.
        distance: pixels between neighbors, one number or (down, right). Where noise is shared over fewer: the image is
            first taken apart into images of every `distance`-th pixel, which follow each other in the batch.
        targets: 2 gives the other neighbor of g1's pixel too, g3: with k = 2 every pixel has two.
    """

    distance: int | tuple[int, int] = 1
    targets: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.distance, int):  # a list, of a saved model
            object.__setattr__(self, "distance", tuple(self.distance))
        if min(self.apart) < 1 or self.targets not in ((1, 2) if self.k == 2 else (1,)):
            raise ValueError(
                f"distance {self.distance}, targets {self.targets}, k {self.k}: wanted a distance of at least 1, and "
                "one target, or two with k = 2"
            )

    @property
    def apart(self) -> tuple[int, int]:
        """The distance of neighbors, (down, right)."""
        down, right = (self.distance, self.distance) if isinstance(self.distance, int) else self.distance
        return down, right

    @property
    def divides(self) -> int:
        """What the sides of images are divided by."""
        return self.k * math.lcm(*self.apart)

    def draw(self, shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """As `draw_choice`, for images of this shape."""
        (batch, height, width), (down, right) = shape[:3], self.apart
        return draw_choice((batch * down * right, height // down, width // right), seed, self.k)

    def __call__(self, image: tf.Tensor, choice: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """g1(image), g2(image) and, with two targets, g3(image)."""
        pairs = neighbor_pairs(self.k)
        if self.targets == 2:  # of the pixels 0-3 the neighbors of p are the two that are neither p nor 3 - p
            pairs = np.column_stack([pairs, 3 - pairs[:, 1]]).astype(np.int32)
        return _gathered(taken_apart(image, self.apart), tf.gather(pairs, choice), self.k)


@keras.saving.register_keras_serializable("n2n_tf")
@dataclass(frozen=True)
class Fixed(Sampler):
    """The paper's fix-location sub-sampler: two pixels of a cell are drawn once for each image, for all its cells.

    Source: paper section 5.3 and Table 4.
    """

    def draw(self, shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """int32 [B, H//k, W//k], all equal within an image."""
        batch, height, width = shape[:3]
        choice = tf.random.stateless_uniform([batch, 1, 1], seed, 0, self.k**2 * (self.k**2 - 1), tf.int32)
        return tf.broadcast_to(choice, [batch, height // self.k, width // self.k])

    def __call__(self, image: tf.Tensor, choice: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """g1(image), g2(image)."""
        pairs = np.array(list(itertools.permutations(range(self.k**2), 2)), np.int32)
        return _gathered(image, tf.gather(pairs, choice), self.k)


def shape_of(image: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, static where it is known: XLA needs it so."""
    dynamic = tf.shape(image)
    return [dynamic[i] if size is None else size for i, size in enumerate(image.shape)]


def _gathered(image: tf.Tensor, pixels: tf.Tensor, k: int) -> tuple[tf.Tensor, ...]:
    """Of each k×k cell some pixels, by their numbers in it, int32 [B, H//k, W//k, N]: N images."""
    batch, height, width, channels = shape_of(image)
    rows, columns = height // k, width // k
    cell = (  # flat index of each cell's first pixel                     [B, H//k, W//k]
        tf.range(batch)[:, None, None] * (height * width)
        + tf.range(rows)[:, None] * (k * width)
        + tf.range(columns) * k
    )
    index = cell[..., None] + pixels // k * width + pixels % k
    flat = tf.reshape(image, [batch * height * width, channels])
    return tuple(tf.gather_nd(flat, each[..., None]) for each in tf.unstack(index, axis=-1))


def taken_apart(image: tf.Tensor, distance: tuple[int, int]) -> tf.Tensor:
    """[B, H, W, C] -> [B·down·right, H//down, W//right, C]: one image of each offset, those of an image together."""
    if distance == (1, 1):
        return image
    (batch, height, width, channels), (down, right) = shape_of(image), distance
    rows, columns = height // down, width // right
    image = tf.reshape(image[:, : rows * down, : columns * right], [batch, rows, down, columns, right, channels])
    return tf.reshape(tf.transpose(image, [0, 2, 4, 1, 3, 5]), [batch * down * right, rows, columns, channels])


def put_together(images: tf.Tensor, distance: tuple[int, int]) -> tf.Tensor:
    """The inverse of `taken_apart`."""
    if distance == (1, 1):
        return images
    (number, rows, columns, channels), (down, right) = shape_of(images), distance
    batch = number // (down * right)
    images = tf.reshape(images, [batch, down, right, rows, columns, channels])
    return tf.reshape(tf.transpose(images, [0, 3, 1, 4, 2, 5]), [batch, rows * down, columns * right, channels])
