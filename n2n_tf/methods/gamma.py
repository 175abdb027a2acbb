"""Schedules for γ, the weight of the regularizer."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("n2n_tf")
class GammaRamp:
    """γ grows with the epoch: γ(epoch) = epoch / epochs · gamma, the first epoch being 1.

    The epoch is counted from the optimizer's iterations, so a resumed run goes on where it stopped.

    Args:
        gamma: γ of the last epoch, and after it.
        epochs: length of the ramp.
        steps_per_epoch: iterations in one epoch.

    Source: paper, below equation 7 ("gradually increase γ"); the linear ramp is the authors' code's.
    """

    def __init__(self, gamma: float, epochs: int, steps_per_epoch: int):
        self.gamma = gamma
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, iterations: tf.Tensor) -> tf.Tensor:
        epoch = 1 + tf.cast(iterations, tf.int32) // self.steps_per_epoch
        return self.gamma * tf.cast(tf.minimum(epoch, self.epochs), tf.float32) / self.epochs

    def get_config(self) -> dict[str, Any]:
        return {"gamma": self.gamma, "epochs": self.epochs, "steps_per_epoch": self.steps_per_epoch}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GammaRamp":
        return cls(**config)
