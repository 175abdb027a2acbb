"""Training batches: list -> shuffle -> read and decode -> crop -> flip -> noise -> batch -> prefetch.

Everything random comes from (seed, global element number), so the batches do not depend on parallelism, batch
size or where a run was resumed. That is also why noise comes before batching: it belongs to the element.
"""

import os

import numpy as np
import tensorflow as tf

from n2n_tf.config import Config
from n2n_tf.data.seeds import ELEMENT, HELD_OUT, IMAGE, derive
from n2n_tf.data.source import LARGEST_HELD_OUT, HeldOutSource, Source
from n2n_tf.formats import bayer
from n2n_tf.noise import Noise


def training_batches(
    images: Source,
    noise: Noise | None,
    config: Config,
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Endless batches of crops.

    Several workers together make the batches that one makes: of files each takes its rows of them; shards are dealt
    out, so that no worker reads what another trains on.

    Args:
        images: what to crop from.
        noise: added to the images; None if they are noisy already.
        config: its batch_size, patch_size, channels, flips, noise_once and seed are used.
        first_step: number of the first batch, so that a resumed run goes on where it stopped.
        context: tells which of several workers this is, and how many replicas share a batch; by default one.

    Returns:
        Dataset of (noisy, clean), float32 [B, P, P, C], or of noisy alone if `noise` is None. B is the batch size of
        one replica; the replicas of a worker take turns.
    """
    context = context or tf.distribute.InputContext()
    worker, workers = context.input_pipeline_id, context.num_input_pipelines

    def element(number: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, ...]:
        crop_seed, flip_seed, noise_seed = tf.unstack(
            tf.random.experimental.stateless_split(derive(config.seed, ELEMENT, number), 3)
        )

        def flipped(part: tf.Tensor) -> tf.Tensor:
            return flip(part, config.patch_size, flip_seed) if config.flips else part

        if noise is not None and config.noise_once:  # before the crop: each pixel has one noise value for ever
            image, index = images.load(reference)
            pair = noise(image, derive(config.seed, IMAGE, index)), image
            return tuple(flipped(crop(each, config.crop_side, crop_seed)) for each in pair)
        part = flipped(images.load_crop(reference, config.crop_side, crop_seed))
        return (part,) if noise is None else (noise(part, noise_seed), part)

    rows = config.batch_size // workers
    numbers = element_numbers(first_step, config.batch_size, worker, workers)
    references = images.references(numbers, first_step * rows, config.seed, worker, workers)
    return (
        tf.data.Dataset.zip(numbers, references)
        .map(element, num_parallel_calls=os.cpu_count(), deterministic=True)
        .batch(context.get_per_replica_batch_size(config.batch_size), drop_remainder=True)
        .prefetch(2 * context.num_replicas_in_sync // workers)
    )


def element_numbers(first_step: int, batch_size: int, worker: int, workers: int) -> tf.data.Dataset:
    """Global numbers of this worker's elements: in each batch its rows, those after the rows of the workers before."""
    rows = batch_size // workers
    own = tf.data.Dataset.range(first_step * rows, tf.int64.max)
    return own.map(lambda number: number // rows * batch_size + worker * rows + number % rows)


def crop(image: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
    """A random side×side window; every pixel of the image can be in it."""
    return tf.image.stateless_random_crop(image, [side, side, image.shape[-1]], seed)


def flip(image: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
    """Mirror horizontally, vertically, both or not at all, each as often.

    Planes of a mosaic, [side + 1, side + 1, 4], are mirrored as the mosaic is; it begins with red again, since of its
    first and last rows and columns those are left out that do not.

    Args:
        image: [side, side, C], or one more for planes.
        side: of the result.
        seed: int [2].
    """
    across, down = tf.unstack(tf.random.experimental.stateless_split(seed))
    margin = image.shape[0] - side

    def places(seed: tf.Tensor, first: int) -> tf.Tensor:
        order = tf.range(side)
        return tf.where(tf.random.stateless_uniform([], seed) < 0.5, side - 1 + margin - first - order, order)

    parts = tf.split(image, len(bayer.PLANES) if margin else 1, -1)
    mirrored = [
        tf.gather(tf.gather(part, places(down, row)), places(across, column), axis=1)
        for part, (row, column) in zip(parts, bayer.PLANES, strict=False)
    ]
    return tf.concat(mirrored, -1)


def held_out_pair(
    images: HeldOutSource, index: int, noise: Noise | None, config: Config
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The middle of held-out image number `index`: noisy and, where it is known, clean. Always the same noise."""
    image, clean = (middle(each) for each in (images.read(index)[0], images.clean(index)))
    if noise is None:
        return image, clean
    return noise(image, derive(config.seed, HELD_OUT, index)), image


def middle(image: np.ndarray | None) -> tf.Tensor | None:
    """At most `LARGEST_HELD_OUT` pixels of each side."""
    if image is None:
        return None
    top, left = (max(0, side - LARGEST_HELD_OUT) // 2 for side in image.shape[:2])
    return tf.constant(image[top : top + LARGEST_HELD_OUT, left : left + LARGEST_HELD_OUT])
