"""Exponential moving average of the weights."""

from typing import Any

import keras
import tensorflow as tf

from n2n_tf.compat import value_of


class AverageWeights(keras.callbacks.Callback):
    """average <- momentum·average + (1 - momentum)·weight after each step; with momentum 0 it is the weights.

    The training weights are never touched. (Keras's own SwapEMAWeights exchanges them by additions, which rounds
    them, and `fit` overwrites them at its end: a resumed run would differ.)

    Args:
        network: whose weights are averaged.
        momentum: in [0, 1).
    """

    def __init__(self, network: keras.Model, momentum: float):
        super().__init__()
        self.momentum = momentum
        self._weights = [value_of(variable) for variable in network.weights]
        self.average = [tf.Variable(weight, trainable=False) for weight in self._weights] if momentum else []
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.state = tf.train.Checkpoint(average=self.average, steps=self.steps)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.average:
            self._update()

    @tf.function
    def _update(self) -> None:
        self.steps.assign_add(1)
        steps = tf.cast(self.steps, tf.float32)
        momentum = tf.minimum(self.momentum, steps / (steps + 10))  # the initial weights are forgotten fast
        for average, weight in zip(self.average, self._weights, strict=True):
            average.assign(momentum * average + (1 - momentum) * weight)

    def copy_to(self, network: keras.Model) -> None:
        """Set the weights of another network of the same architecture."""
        network.set_weights([variable.numpy() for variable in self.average or self._weights])
