"""Training batches: list -> shuffle -> read and decode -> crop -> flip -> noise -> batch -> prefetch.

Everything random comes from (seed, global element number), so the batches do not depend on parallelism, batch
size or where a run was resumed. That is also why noise comes before batching: it belongs to the element.
"""

import functools
import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from n2n_tf.data.seeds import ELEMENT, HELD_OUT, IMAGE, derive
from n2n_tf.data.settings import CropSettings
from n2n_tf.data.source import LARGEST_HELD_OUT, HeldOutSource, Source
from n2n_tf.formats import bayer
from n2n_tf.noise import Noise


@dataclass(frozen=True)
class Recipe:
    """What is made of an image on its way into a batch.

    Args:
        crops: size of crops and batches, and whether they are flipped.
        noise: added to the images; None if they are noisy already.
        seed: of everything random.
        mosaic: whether images are planes of raw mosaics.
        frozen: whether an image has the same noise in each epoch.
        second: whether batches hold a second noisy shot instead of the clean image.
    """

    crops: CropSettings
    noise: Noise | None
    seed: int
    mosaic: bool = False
    frozen: bool = False
    second: bool = False

    def element(self, images: Source, number: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """A training crop and what comes with it, by its global number."""
        crop_seed, flip_seed, noise_seed = tf.unstack(
            tf.random.experimental.stateless_split(derive(self.seed, ELEMENT, number), 3)
        )
        side = self.crops.side(self.mosaic)

        def flipped(part: tf.Tensor) -> tf.Tensor:
            return flip(part, self.crops.patch_size, flip_seed) if self.crops.flips else part

        if self.noise is not None and self.frozen:  # before the crop: each pixel has one noise value for ever
            image, index = images.load(reference)
            both = self._noised(self.noise, image, derive(self.seed, IMAGE, index))
            return tuple(flipped(crop(each, side, crop_seed)) for each in both)
        window = images.load_crop(reference, side, crop_seed)
        parts = tuple(flipped(part) for part in tf.split(window, images.parts, axis=-1))
        return parts if self.noise is None else self._noised(self.noise, parts[0], noise_seed)

    def _noised(self, noise: Noise, clean: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(noisy, clean), or two noisy shots."""
        other = noise(clean, tf.random.experimental.stateless_fold_in(seed, 1)) if self.second else clean
        return noise(clean, seed), other


def training_batches(
    images: Source, recipe: Recipe, first_step: int = 0, context: tf.distribute.InputContext | None = None
) -> tf.data.Dataset:
    """Endless batches of crops.

    Several workers together make the batches that one makes: of files each takes its rows of them; shards are dealt
    out, so that no worker reads what another trains on.

    Args:
        images: what to crop from.
        recipe: what is made of them.
        first_step: number of the first batch, so that a resumed run goes on where it stopped.
        context: tells which of several workers this is, and how many replicas share a batch; by default one.

    Returns:
        Dataset of (noisy, clean), float32 [B, P, P, C], of two noisy shots, or of noisy alone if nothing else is
        known. B is the batch size of one replica; the replicas of a worker take turns.
    """
    context = context or tf.distribute.InputContext()
    worker, workers = context.input_pipeline_id, context.num_input_pipelines
    batch = recipe.crops.batch_size
    rows = batch // workers
    numbers = element_numbers(first_step, batch, worker, workers)
    references = images.references(numbers, first_step * rows, recipe.seed, worker, workers)
    return (
        tf.data.Dataset.zip(numbers, references)
        .map(functools.partial(recipe.element, images), num_parallel_calls=os.cpu_count(), deterministic=True)
        .batch(context.get_per_replica_batch_size(batch), drop_remainder=True)
        .prefetch(2 * context.num_replicas_in_sync // workers)
        .with_options(_untuned())
    )


def _untuned() -> tf.data.Options:
    """Nothing here is left to be tuned, and the thread that tunes can keep an iterator from ending for a minute."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


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
    images: HeldOutSource, index: int, noise: Noise | None, seed: int
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The middle of held-out image number `index`: noisy and, where it is known, clean. Always the same noise."""
    image, clean = map(middle, images.pair(index))
    if noise is None:
        return image, clean
    return noise(image, derive(seed, HELD_OUT, index)), image


def middle(image: np.ndarray | None) -> tf.Tensor | None:
    """At most `LARGEST_HELD_OUT` pixels of each side."""
    if image is None:
        return None
    top, left = (max(0, side - LARGEST_HELD_OUT) // 2 for side in image.shape[:2])
    return tf.constant(image[top : top + LARGEST_HELD_OUT, left : left + LARGEST_HELD_OUT])
