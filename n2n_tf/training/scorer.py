"""How good is a denoiser on the held-out images?"""

import logging

import keras
import numpy as np

from n2n_tf.data.pipeline import Recipe, held_out_pair
from n2n_tf.data.seeds import HELD_OUT, derive
from n2n_tf.data.source import HeldOutSource
from n2n_tf.evaluation.metrics import psnr
from n2n_tf.inference import Denoiser
from n2n_tf.inspection.measured import Measured
from n2n_tf.meter import sure
from n2n_tf.meter.sure import CutOffError
from n2n_tf.methods.base import Method
from n2n_tf.value_range import UNIT

logger = logging.getLogger(__name__)

PSNR, ESTIMATED, RECONSTRUCTION = "psnr", "estimated_psnr", "reconstruction"
LOST = 10  # dB below the best denoiser; epochs differ by less
COST = "estimated_mse"  # what is lowest where `ESTIMATED` is best; its mean does not jump where an error is near 0


class Scorer:
    """Scores one denoiser at a time, one image at a time, outside any distribution strategy.

    Args:
        method: on a network of its own; its score serves where no clean image is known.
        images, recipe: the held-out images and their noise.
        shots: whether their partners are second noisy shots, not clean images.
        noise: of images that come alone, as it was measured; None where Stein's estimate would not hold.
    """

    def __init__(
        self, method: Method, images: HeldOutSource, recipe: Recipe, shots: bool = False, noise: Measured | None = None
    ):
        self.method, self.images, self.recipe, self.shots, self.noise = method, images, recipe, shots, noise
        self.use(method.denoiser())
        if noise and not images.paired:
            self._check(noise)

    def use(self, denoiser: keras.Model) -> None:
        """Score this one from now on."""
        self.denoiser, self.denoise = denoiser, Denoiser(denoiser, value_range=UNIT)

    @property
    def monitored(self) -> str:
        """The score that tells which denoiser is the best."""
        if self.recipe.noise or (self.images.paired and not self.shots):
            return PSNR
        return ESTIMATED if self.noise and not self.images.paired else RECONSTRUCTION

    @property
    def shown(self) -> tuple[str, ...]:
        """The scores that an epoch's logs have."""
        return (ESTIMATED, RECONSTRUCTION) if self.monitored == ESTIMATED else (self.monitored,)

    def cost(self, scores: dict[str, float]) -> float:
        """What is lowest for the best denoiser."""
        if self.monitored == PSNR:
            return -scores[PSNR]
        return scores[COST if self.monitored == ESTIMATED else RECONSTRUCTION]

    def lost(self, scores: dict[str, float], best_cost: float) -> bool:
        """Whether a denoiser with these scores has lost the picture that the best one had."""
        if self.monitored == PSNR:
            return self.cost(scores) > best_cost + LOST
        known = max(best_cost, scores.get(f"{COST}_error", 0.0))  # an estimate of a small error may be below 0
        return known > 0 and self.cost(scores) > 10 ** (LOST / 10) * known

    def scores(self) -> dict[str, float]:
        """Means over the held-out images: psnr and noisy_psnr in dB, or reconstruction where no clean is known.

        Where the noise is: also what Stein's estimate gives, with standard errors: estimated_psnr and
        estimated_noisy_psnr in dB, estimated_mse.
        """
        each = [self._scores_of(index) for index in range(len(self.images))]
        means = {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}
        return {**means, **(self._estimated(self.noise) if self.noise and self.monitored == ESTIMATED else {})}

    def first(self) -> dict[str, np.ndarray]:
        """The first held-out image as noisy and denoised, and clean if that is known."""
        noisy, clean = self._pair(0)
        known = {} if clean is None or self.monitored != PSNR else {"clean": clean}
        return {"noisy": noisy, "denoised": self.denoise(noisy), **known}

    def _check(self, noise: Measured) -> None:
        """Whether the estimate can be made on these images; it is the same values that count for all denoisers."""
        try:
            sure(lambda image: image, (self._pair(index)[0] for index in range(len(self.images))), noise)
        except CutOffError as error:
            logger.warning("the best denoiser is told by `reconstruction`, not by estimated PSNR: %s", error)
            self.noise = None

    def _estimated(self, noise: Measured) -> dict[str, float]:
        noisy = (self._pair(index)[0] for index in range(len(self.images)))
        found = sure(self.denoise, noisy, noise)
        return {
            ESTIMATED: found.psnr, f"{ESTIMATED}_error": found.psnr_error, "estimated_noisy_psnr": found.before,
            "estimated_noisy_psnr_error": found.before_error, COST: found.mse, f"{COST}_error": found.mse_error,
        }  # fmt: skip

    def _scores_of(self, index: int) -> dict[str, float]:
        noisy, partner = self._pair(index)
        if partner is None:
            return {RECONSTRUCTION: self.method.score(self.denoise, noisy, derive(self.recipe.seed, HELD_OUT, index))}
        if self.monitored != PSNR:
            return {RECONSTRUCTION: float(np.mean(np.square(self.denoise(noisy) - partner)))}
        denoised, shown = np.clip(self.denoise(noisy), 0, 1), np.clip(partner, 0, 1)  # clean: beyond a value range
        return {PSNR: psnr(denoised, shown), "noisy_psnr": psnr(noisy, partner)}

    def _pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        noisy, clean = held_out_pair(self.images, index, self.recipe.noise, self.recipe.seed)
        return noisy.numpy(), None if clean is None else clean.numpy()
