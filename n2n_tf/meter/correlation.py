"""Correlation of the noise between pixels and between channels."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from n2n_tf.meter.flat import ENOUGH, flat, products
from n2n_tf.meter.images import BANDS, GROUPS, bootstrap, checked
from n2n_tf.meter.projector import FAR, LAGS, NEAR, correlation_of, planes_share

LEVELS = 16  # of brightness
FEW = 20  # blocks, from which on a level is believed
THRESHOLD = 0.1  # from which SURE and Neighbor2Neighbor are off: their loss has 2ρσ² too little


@dataclass(frozen=True)
class Correlation:
    """ρ between the noise of pixels at a distance.

    Attributes:
        rho: [9, 17], at `rho[down, 8 + right]` of distance (down, right) up to 8; the half that is missing mirrors it.
        error: [9, 17], standard errors: of the draw of blocks (bootstrap), and what texture may have added.
        channels: [C, C], between channels at one pixel.
        channels_error: [C, C].
        each: [C, 9, 17], as `rho`, of each channel alone.
        each_error: [C, 9, 17], its standard errors: of the draw of blocks.
        levels: [C, 16], variance of each channel in flat blocks of brightness 0 to 1/16, 1/16 to 2/16, …; where there
            are few, between those of the nearest.
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
    each: np.ndarray
    each_error: np.ndarray
    levels: np.ndarray
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
    def across(self) -> float:
        """ρ between channels that is furthest above its error, less that error; 0 of one channel."""
        others = ~np.eye(len(self.channels), dtype=bool)
        return float(max((np.abs(self.channels) - self.channels_error)[others], default=0.0))

    @property
    def correlated(self) -> bool | None:
        """Whether ρ is above 0.1 by more than its error at some distance; None with too little flat area to tell."""
        if not self.enough:
            return None
        rho, error, _ = self.strongest
        return abs(rho) - error > THRESHOLD

    @property
    def shared(self) -> np.ndarray:
        """[9, 17], of which distances (down, right - 8) some channel's ρ is above 0.1 by more than its error."""
        above = ~(np.abs(self.each) - self.each_error <= THRESHOLD)  # not a number: not known to be independent
        above[:, 0] |= above[:, 0, ::-1]
        return above.any(0)


def distance_of(shared: np.ndarray) -> tuple[int, int] | None:
    """How many pixels apart, (down, right), the noise of pixels is independent: the nearest of such; None beyond 5.

    Args:
        shared: [9, 17], as `Correlation.shared`.
    """
    near = [(down, right) for down in range(1, NEAR + 1) for right in range(1, NEAR + 1)]
    near.sort(key=lambda each: (each[0] * each[1], max(each)))
    return next((each for each in near if independent_at(each, shared)), None)


def independent_at(distance: tuple[int, int], shared: np.ndarray) -> bool:
    """Whether nothing is shared at this distance (down, right), at its multiples, and at both together."""
    down, right = distance
    both = shared | shared[:, ::-1]
    return not np.delete(both[::down, FAR % right :: right], FAR // right).any()


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
    sums = between = levels = None
    count = 0
    for image in checked(images):
        found, channels = flat(image), image.shape[2]
        sums = np.zeros((GROUPS, 2, channels, len(LAGS) + 1)) if sums is None else sums
        between = np.zeros((GROUPS, channels, channels)) if between is None else between
        levels = np.zeros((channels, LEVELS, 2)) if levels is None else levels
        bands = (count * BANDS + (found.place * BANDS).astype(int)) % GROUPS
        for group in np.unique(bands):
            _add(sums[group], between[group], found.residuals[bands == group], found.looser[bands == group])
        at = np.clip((found.brightness * LEVELS).astype(int), 0, LEVELS - 1)
        for channel in range(channels):
            counted = np.bincount(at[:, channel], minlength=LEVELS)
            summed = np.bincount(at[:, channel], found.variance[:, channel], LEVELS)
            levels[channel] += np.stack([summed, counted], 1)
        count += 1
    if sums is None or between is None or levels is None:
        raise ValueError("no image to measure; wanted one at least")
    return _result(sums, between, levels, count)


def _add(sums: np.ndarray, between: np.ndarray, residuals: np.ndarray, looser: np.ndarray) -> None:
    for row, part in enumerate((residuals[~looser], residuals)):
        if len(part):
            sums[row, :, 0] += len(part)
            sums[row, :, 1:] += [products(part[:, channel]) for channel in range(part.shape[1])]
    between += np.einsum("nci,ndi->cd", residuals[~looser], residuals[~looser])


def _result(sums: np.ndarray, between: np.ndarray, levels: np.ndarray, count: int) -> Correlation:
    def of_flattest(total: np.ndarray) -> np.ndarray:
        return correlation_of(total[0, :, 1:].mean(0))

    def of_each(total: np.ndarray) -> np.ndarray:
        return np.array([correlation_of(channel[1:]) for channel in total[0]])

    total = sums.sum(0)
    blocks = int(total[0, 0, 0])
    rho = of_flattest(total)
    texture = np.abs(correlation_of(total[1, :, 1:].mean(0)) - rho)
    error = np.hypot(bootstrap(sums, of_flattest), texture)
    enough = blocks >= ENOUGH and bool(np.isfinite(rho).all())
    notes = [] if enough else [f"too little flat area: {blocks} blocks in {count} image(s), wanted {ENOUGH}"]
    summed, counted = levels.sum((0, 1))
    sigma = np.sqrt(summed / counted / planes_share(rho)) if counted else np.nan
    each = of_each(total)
    shares = np.array([planes_share(channel) for channel in each])
    return Correlation(
        _map(rho), _map(np.nan_to_num(error, nan=np.inf)), _normalised(between.sum(0)), bootstrap(between, _normalised),
        _maps(each), _maps(np.nan_to_num(bootstrap(sums, of_each), nan=np.inf)), _filled(levels) / shares[:, None],
        float(sigma), blocks, count, enough, tuple(notes),
    )  # fmt: skip


def _filled(levels: np.ndarray) -> np.ndarray:
    """Means of [C, 16, (sum, count)]; between and beyond those that have some by interpolation."""
    filled, places = np.full(levels.shape[:2], np.nan), np.arange(LEVELS)
    for channel, (summed, counted) in enumerate(np.moveaxis(levels, -1, 1)):
        if (known := counted >= min(FEW, counted.max(initial=1))).any():
            filled[channel] = np.interp(places, places[known], summed[known] / np.maximum(counted[known], 1))
    return filled


def _normalised(products: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.maximum(np.diag(products), 1e-30))
    return products / scale / scale[:, None]


def _others() -> np.ndarray:
    """Which places of the map are distances other than 0, each once."""
    others = np.ones((FAR + 1, 2 * FAR + 1), bool)
    others[0, : FAR + 1] = False
    return others


def _maps(values: np.ndarray) -> np.ndarray:
    return np.array([_map(each) for each in values])


def _map(values: np.ndarray) -> np.ndarray:
    """[9, 17] from one value for each of `LAGS`."""
    found = np.zeros((FAR + 1, 2 * FAR + 1))
    for (down, right), value in zip(LAGS, values, strict=True):
        found[down, FAR + right] = value
        if down == 0:
            found[down, FAR - right] = value
    return found
