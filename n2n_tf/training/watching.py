"""Follow a run from outside, a window say, and end it."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from n2n_tf.inference import Denoiser
from n2n_tf.training.checkpoints import Checkpoints
from n2n_tf.training.patience import Ending
from n2n_tf.training.scorer import Scorer


class Watch:
    """Follows a run: a subclass says what is done; its methods are called in the thread that trains."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def stop(self) -> None:
        """End the run after its next step, from any thread. What it reached is scored and kept, as an epoch's is."""
        self._told.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._told.is_set()

    def step(self, done: int, steps: int) -> None:
        """After a step.

        Args:
            done: steps done.
            steps: of the whole run, or of its stage.
        """

    def epoch(self, number: int, scores: Mapping[str, float], denoise: Callable[[np.ndarray], np.ndarray]) -> None:
        """After an epoch.

        Args:
            number: of it, from 1.
            scores: what the history has of it.
            denoise: what was learned so far: [H, W, C] in the images' own units, the same back.
        """


class Watched(Ending):
    """Tells a watch of each step and epoch, and ends the run when it says so. A run resumed goes on from there.

    Args:
        watch: that is told; None if nobody looks.
        scorer: whose denoiser is the epoch's, once it was scored.
        checkpoints: what counts steps.
        steps: of the run.
    """

    why = "it was told to stop"

    def __init__(self, watch: Watch | None, scorer: Scorer, checkpoints: Checkpoints, steps: int):
        super().__init__()
        self.watch, self.scorer, self.checkpoints, self.steps = watch, scorer, checkpoints, steps
        self.began = False
        self._denoiser: Denoiser | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.began = True
        if self.watch:
            self.watch.step(int(self.checkpoints.step), self.steps)
            self.model.stop_training |= self.watch.stopped

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.watch:
            if self._denoiser is None:  # of the network whose weights each epoch replaces: traced once
                self._denoiser = Denoiser(self.scorer.denoiser, value_range=self.scorer.images.value_range)
            self.watch.epoch(epoch + 1, dict(logs or {}), self._denoiser)
        super().on_epoch_end(epoch, logs)

    @property
    def spent(self) -> bool:
        """Whether it was told to stop, once there is something to keep."""
        return self.began and self.watch is not None and self.watch.stopped
