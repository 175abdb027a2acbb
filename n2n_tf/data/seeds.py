"""Stateless seeds: everything random of the data comes from the run's seed, a purpose and a number."""

import tensorflow as tf

# purposes a seed is used for; each gives independent random numbers
SHUFFLE, ELEMENT, IMAGE, HELD_OUT, SHARDS, WINDOWS = range(6)


def derive(seed: int, purpose: int, number: tf.Tensor | int) -> tf.Tensor:
    """The stateless seed, int [2], of one purpose's element `number`."""
    return tf.random.experimental.stateless_fold_in(tf.constant([seed, purpose], tf.int64), number)


def shuffled(number: tf.Tensor, count: int, seed: int) -> tf.Tensor:
    """Index of the image that element `number` takes: each pass over the images is a new permutation."""
    passes = derive(seed, SHUFFLE, number // count)
    return tf.random.experimental.index_shuffle(number % count, passes, count - 1)
