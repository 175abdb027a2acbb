"""Do maps of the error hold, against truth? How many normalised errors (denoised - clean) / map lie within 1 and 2.

    python benchmarks/uncertainty.py KODAK --gaussian MODEL --poisson MODEL [--images 8] [--ensemble]

Gaussian noise of σ 25 and Poisson noise of λ 30, in float32, not clipped; the noise is measured on each image, as
`denoise --uncertainty` does. Of Gaussian errors 0.683 would lie within 1 and 0.954 within 2. The thirds are of the
pixels of the map: the lowest and the highest values; rank is Spearman's correlation of |denoised - clean| with it.
Beside the map that is written stand the same without its smoothing, and one number for all pixels. Nine passes of the
network for each image.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

from n2n_tf.inference import Denoiser, load_denoiser
from n2n_tf.inference.uncertainty import deviation, smoothed_variance
from n2n_tf.inspection.image_noise import image_noise
from n2n_tf.meter.sure import Stein
from n2n_tf.tasks.one_pass import one_pass
from n2n_tf.value_range import UNIT

MAPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as written": lambda spread: smoothed_variance(spread.copy()),
    "not smoothed": np.square,
    "one number": np.ones_like,
}
COLUMNS = ("within 1", "within 2", "lowest third: 1", "2", "highest third: 1", "2", "rank")
RANKED = 97  # every so many pixels are ranked


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kodak", type=Path)
    parser.add_argument("--gaussian", metavar="MODEL", help="trained on σ 25")
    parser.add_argument("--poisson", metavar="MODEL", help="trained on λ 30, or another one")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--ensemble", action="store_true")
    args = parser.parse_args()
    paths = sorted(args.kodak.glob("*.png"))[: args.images]
    for name, model in (("gaussian", args.gaussian), ("poisson", args.poisson)):
        if model:
            denoiser = Denoiser(load_denoiser(model), ensemble=args.ensemble)
            print(f"## {name}, {len(paths)} images\n", *table(denoiser, paths, name), sep="\n", end="\n\n", flush=True)


def table(denoiser: Denoiser, paths: list[Path], noise: str) -> Iterator[str]:
    """Means over the images, and what the estimate was against the truth."""
    found: dict[str, list[list[float]]] = {name: [] for name in MAPS}
    ratios, begin = [], time.monotonic()
    for number, path in enumerate(paths):
        clean = np.asarray(Image.open(path), np.float32) / 255
        random = np.random.default_rng(number)
        noisy = random.normal(clean, 25 / 255) if noise == "gaussian" else random.poisson(clean * 30) / 30
        passed = one_pass(denoiser, noisy.astype(np.float32), denoiser.units_of(noisy), True, lambda pixels: None)
        measured = image_noise([passed.image], "RGB", UNIT)
        mse = passed.error(Stein(), measured)
        error = passed.result - clean
        ratios.append(mse / np.square(error).mean(dtype=float))
        for name, shape in MAPS.items():
            found[name].append(scores(np.abs(error), deviation(shape(passed.spread), mse, passed.place, 1.0)))
    yield f"| map | {' | '.join(COLUMNS)} |"
    yield "|" + "---|" * (len(COLUMNS) + 1)
    for name, each in found.items():
        yield f"| {name} | {' | '.join('–' if np.isnan(value) else f'{value:.3f}' for value in np.mean(each, 0))} |"
    yield f"\nestimated / true mean squared error: {np.mean(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}"
    yield f"{(time.monotonic() - begin) / len(paths):.0f} s an image"


def scores(error: np.ndarray, expected: np.ndarray) -> list[float]:
    """What `COLUMNS` names, of one image."""
    normalised = error / np.maximum(expected, 1e-9)
    shares = [float(np.mean(normalised < bound)) for bound in (1, 2)]
    if expected.min() == expected.max():
        return [*shares, *[np.nan] * 5]
    low, high = np.quantile(expected, (1 / 3, 2 / 3))
    thirds = (normalised[expected <= low], normalised[expected >= high])
    shares += [float(np.mean(third < bound)) for third in thirds for bound in (1, 2)]
    rank = spearmanr(error.ravel()[::RANKED], expected.ravel()[::RANKED]).statistic
    return [*shares, float(rank)]


if __name__ == "__main__":
    main()
