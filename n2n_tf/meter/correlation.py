"""Correlation of the noise between pixels and between channels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from n2n_tf.meter.flat import ENOUGH, flat, products
from n2n_tf.meter.images import BANDS, GROUPS, bootstrap, checked
from n2n_tf.meter.projector import FAR, LAGS, correlation_of, planes_share

THRESHOLD = 0.1  # from which SURE and Neighbor2Neighbor are off: their loss has 2ρσ² too little


@dataclass(frozen=True)
class Correlation:
    """ρ between the noise of pixels at a distance.

    Attributes:
        rho: [9, 17], at `rho[down, 8 + right]` of distance (down, right) up to 8; the half that is missing mirrors it.
        error: [9, 17], standard errors: of the draw of blocks (bootstrap), and what texture may have added.
        channels: [C, C], between channels at one pixel.
        channels_error: [C, C].
        sigma: of the noise in the flat blocks, correlated or not, in units of the value range; `poisson_gaussian` sees
            high frequencies alone, and so too little of correlated noise.
        blocks: flat ones, of all images.
        images: how many.
        enough: whether there are 200 flat blocks; if not, texture may pass for correlation.
        notes: what to know before it is relied on.
    """

    rho: np.ndarray
    error: np.ndarray
    channels: np.ndarray
    channels_error: np.ndarray
    sigma: float
    blocks: int
    images: int
    enough: bool
    notes: tuple[str, ...] = ()

    @property
    def strongest(self) -> tuple[float, float, tuple[int, int]]:
        """ρ furthest above what its error allows, that error, and its distance (down, right)."""
        at = np.unravel_index(np.nanargmax(np.where(_others(), np.abs(self.rho) - self.error, -np.inf)), self.rho.shape)
        return float(self.rho[at]), float(self.error[at]), (int(at[0]), int(at[1]) - FAR)

    @property
    def correlated(self) -> bool | None:
        """Whether ρ is above 0.1 by more than its error at some distance; None with too little flat area to tell."""
        if not self.enough:
            return None
        rho, error, _ = self.strongest
        return abs(rho) - error > THRESHOLD


def correlation(images: Iterable[np.ndarray]) -> Correlation:
    """Measure ρ up to a distance of 8 pixels, pooled over the images.

    From flat blocks of 16×16, a plane taken out, what that does to covariances undone (`projector`). Texture that is
    left raises ρ, and more so in blocks above the usual variance than in those below: that difference is counted as
    error.

    Args:
        images: float [H, W] or [H, W, C], in units of the value range; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.

    Source: after Colom, Lebrun, Buades, Morel 2014 (IPOL), who take the covariance of the blocks of least variance.
    """
    sums, between, variances, count = np.zeros((GROUPS, 2, len(LAGS) + 1)), None, np.zeros(2), 0
    for image in checked(images):
        found, channels = flat(image), image.shape[2]
        between = np.zeros((GROUPS, channels, channels)) if between is None else between
        bands = (count * BANDS + (found.place * BANDS).astype(int)) % GROUPS
        for group in np.unique(bands):
            _add(sums[group], between[group], found.residuals[bands == group], found.looser[bands == group])
        if lower := np.count_nonzero(~found.looser):
            variances += lower * found.variance, lower
        count += 1
    if between is None:
        raise ValueError("no image to measure; wanted one at least")
    return _result(sums, between, variances, count)


def _add(sums: np.ndarray, between: np.ndarray, residuals: np.ndarray, looser: np.ndarray) -> None:
    for row, part in enumerate((residuals[~looser], residuals)):
        if len(part):
            sums[row, 0] += len(part)
            sums[row, 1:] += products(part)
    between += np.einsum("nci,ndi->cd", residuals[~looser], residuals[~looser])


def _result(sums: np.ndarray, between: np.ndarray, variances: np.ndarray, count: int) -> Correlation:
    def of_flattest(total: np.ndarray) -> np.ndarray:
        return correlation_of(total[0, 1:])

    total = sums.sum(0)
    blocks = int(total[0, 0])
    rho = of_flattest(total)
    texture = np.abs(correlation_of(total[1, 1:]) - rho)
    error = np.hypot(bootstrap(sums, of_flattest), texture)
    enough = blocks >= ENOUGH and bool(np.isfinite(rho).all())
    notes = [] if enough else [f"too little flat area: {blocks} blocks in {count} image(s), wanted {ENOUGH}"]
    plane = planes_share(rho)
    sigma = np.sqrt(variances[0] / variances[1] / plane) if variances[1] else np.nan
    return Correlation(
        _map(rho), _map(np.nan_to_num(error, nan=np.inf)), _normalised(between.sum(0)), bootstrap(between, _normalised),
        float(sigma), blocks, count, enough, tuple(notes),
    )  # fmt: skip


def _normalised(products: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.maximum(np.diag(products), 1e-30))
    return products / scale / scale[:, None]


def _others() -> np.ndarray:
    """Which places of the map are distances other than 0, each once."""
    others = np.ones((FAR + 1, 2 * FAR + 1), bool)
    others[0, : FAR + 1] = False
    return others


def _map(values: np.ndarray) -> np.ndarray:
    """[9, 17] from one value for each of `LAGS`."""
    found = np.zeros((FAR + 1, 2 * FAR + 1))
    for (down, right), value in zip(LAGS, values, strict=True):
        found[down, FAR + right] = value
        if down == 0:
            found[down, FAR - right] = value
    return found
