"""Schedule for β, the weight of what is visible in Blind2Unblind."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("n2n_tf")
class BetaRise:
    """β stays, then rises with the epoch to its last value: linearly from a share of the epochs on.

    The epoch, the first being 1, is counted from the optimizer's iterations, so a resumed run goes on where it stopped.

    Args:
        share: of the epochs, in [0, 1), after which it rises.
        epochs: of the run.
        steps_per_epoch: iterations in one epoch.
        first, last: β at the beginning, and in the last epoch and after it.

    Source: Wang et al. 2022, "Blind2Unblind", section 4.1; the shares are the authors' code's.
    """

    def __init__(self, share: float, epochs: int, steps_per_epoch: int, first: float = 2.0, last: float = 20.0):
        self.share, self.epochs, self.steps_per_epoch = share, epochs, steps_per_epoch
        self.first, self.last = first, last

    def __call__(self, iterations: tf.Tensor) -> tf.Tensor:
        epoch = tf.minimum(1 + tf.cast(iterations, tf.int32) // self.steps_per_epoch, self.epochs)
        risen = (tf.cast(epoch, tf.float32) / self.epochs - self.share) / (1 - self.share)
        return self.first + (self.last - self.first) * tf.maximum(risen, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "share": self.share, "epochs": self.epochs, "steps_per_epoch": self.steps_per_epoch, "first": self.first,
            "last": self.last,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BetaRise":
        return cls(**config)
