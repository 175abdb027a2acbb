"""Denoisers that need no training set: float32 [H, W, C] in, the same out, each in a file and a line of `BASELINES`.

They are what methods are compared with. Each measures the noise itself unless it is told; the same image, settings and
machine give the same result. `Baseline` puts one where a trained denoiser is wanted.
"""

from n2n_tf.baselines.settings import BASELINES, BaselineSettings, baseline_of

__all__ = ["BASELINES", "BaselineSettings", "baseline_of"]
