"""The random neighbor sub-sampler G = (g1, g2) of the paper, section 4.1.

An image is cut into k×k cells. In every cell two 4-adjacent pixels are drawn; the first goes to g1, the
second to g2. The two half-size images show the same scene, and their noise is independent as long as
the noise is independent between pixels: a noisy pair for Noise2Noise, from one noisy image.
"""

import functools
from collections.abc import Sequence

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


def sub_sample(image: tf.Tensor, choice: tf.Tensor, k: int = 2) -> tuple[tf.Tensor, tf.Tensor]:
    """Apply a sub-sampler: g1(image), g2(image).

    All channels of a pixel go together, so every channel shares the draw.

    Args:
        image: [B, H, W, C], any dtype.
        choice: int32 [B, H//k, W//k] from `draw_choice`.
        k: side of a cell in pixels.

    Returns:
        Two tensors [B, H//k, W//k, C] of the image's dtype.

    Source: paper section 4.1, steps 1-3, and Figure 2.
    """
    batch, height, width, channels = shape_of(image)
    rows, columns = height // k, width // k
    cell = (  # flat index of each cell's first pixel                     [B, H//k, W//k]
        tf.range(batch)[:, None, None] * (height * width)
        + tf.range(rows)[:, None] * (k * width)
        + tf.range(columns) * k
    )
    pair = tf.gather(neighbor_pairs(k), choice)  #                        [B, H//k, W//k, 2]
    pixel = cell[..., None] + pair // k * width + pair % k
    pixels = tf.reshape(image, [batch * height * width, channels])
    return (
        tf.gather_nd(pixels, pixel[..., 0, None]),
        tf.gather_nd(pixels, pixel[..., 1, None]),
    )


def shape_of(image: tf.Tensor) -> list[int | tf.Tensor]:
    """The shape, static where it is known: XLA needs it so."""
    dynamic = tf.shape(image)
    return [dynamic[i] if size is None else size for i, size in enumerate(image.shape)]
