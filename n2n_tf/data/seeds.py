"""Stateless seeds: everything random of the data comes from the run's seed, a purpose and a number."""

import tensorflow as tf

# purposes a seed is used for; each gives independent random numbers
SHUFFLE, ELEMENT, IMAGE, HELD_OUT, SHARDS, WINDOWS = range(6)


def derive(seed: int, purpose: int, number: tf.Tensor | int) -> tf.Tensor:
    """The stateless seed, int [2], of one purpose's element `number`."""
    return tf.random.experimental.stateless_fold_in(tf.constant([seed, purpose], tf.int64), number)
