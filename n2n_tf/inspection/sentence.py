"""What was found of one image, in a line for somebody who has just denoised it."""

import numpy as np

from n2n_tf.inspection.measure import Part
from n2n_tf.inspection.single import Single
from n2n_tf.meter import Gain

CERTAIN = 2.0  # standard errors that a result must be worse by, to be called so


def sentence(found: Single) -> str:
    """The noise, whether neighbours share it, and what was gained, or why that cannot be told."""
    each = [("" if part.name == "all" else f"{part.name} ") + _noise(part) for part in found.parts]
    return f"Noise: {'; '.join(each)}. {_gained(found)}."


def _noise(part: Part) -> str:
    if part.jpeg:
        return "not measured"
    if part.sigma is None:
        return "cannot be measured: nothing in it is both flat and not cut off at black or white"
    sigma = f"σ {255 * part.sigma:.3g} of 255"
    if part.model == "none":
        return f"hardly any, {sigma}"
    grows = ", more where it is brighter" if part.model == "signal-dependent" else ""
    return sigma + grows + _shared(part)


def _shared(part: Part) -> str:
    if part.correlation is None or part.correlated is None:
        return ", too little flat area to tell whether neighbouring pixels share it"
    if part.correlated:
        return f", shared by neighbouring pixels (correlation {part.correlation.strongest[0]:.2f})"
    return ", not shared by neighbouring pixels"


def _gained(found: Single) -> str:
    if found.gain is None or found.obstacle:
        return f"What was gained cannot be estimated: {found.obstacle}"
    gain = found.gain
    untold = any(part.correlated is None for part in found.parts)
    condition = ", if neighbouring pixels do not share noise" if untold else ""
    worse = ": by this the result is worse than the picture was" if _is_worse(gain) else ""
    return f"Estimated PSNR {gain.before:.2f} → {gain.psnr:.2f} ± {gain.psnr_error:.2f} dB{condition}{worse}"


def _is_worse(gain: Gain) -> bool:
    error = np.hypot(gain.psnr_error, gain.before_error)
    return bool(gain.psnr + CERTAIN * error < gain.before)
