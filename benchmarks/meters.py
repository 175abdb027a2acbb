"""What the meters read, against the truth. Prints the tables of docs/meters.md; some minutes on 2 CPU cores.

    python benchmarks/meters.py DATA [--only WORD]

DATA holds kodak/*.png, and where they are there w2s/{noisy,clean}/*.tif and raw/canon_x4_bayer.dng.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import camera
import numpy as np
import tifffile
from PIL import Image
from scipy.ndimage import convolve1d, gaussian_filter

from n2n_tf.formats import raw
from n2n_tf.meter import ARTEFACTS, METERS, Correlation, sure
from n2n_tf.meter.projector import FAR

KERNELS = {"ρ(1) .29": (0.15, 1, 0.15), "ρ(1) .83": (0.25, 0.7, 1, 0.7, 0.25)}
Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="", help="the tables whose titles have this word")
    data, only = vars(parser.parse_args()).values()
    clean = [np.asarray(Image.open(path), np.float32) / 255 for path in sorted((data / "kodak").glob("*.png"))]
    tables: dict[str, Callable[[], list[str]]] = {
        "Level, Kodak, white Gaussian noise": lambda: levels(clean),
        "Variance a·x + s², Kodak, Poisson noise": lambda: lines_of(clean),
        "Correlation, Kodak": lambda: correlations(clean),
        "Artefacts, 24 Kodak images with white noise: images in which each is found": lambda: artefacts(clean),
        "SURE against the true PSNR, Kodak": lambda: gains(clean),
        "Real images": lambda: real(data),
        "A camera of known truth (24 Kodak images)": lambda: camera.table(data / "kodak", 0.004, 0.004, 24).split("\n"),
        "Cost, processor seconds per megapixel of three channels": lambda: costs(clean[0]),
    }
    for title, lines in ((title, lines) for title, lines in tables.items() if only in title):
        print(f"## {title}\n", *lines(), sep="\n", end="\n\n", flush=True)


def white(sigma: float) -> Draw:
    """Gaussian, σ of 255."""
    return lambda image, random: (image + random.normal(0, sigma / 255, image.shape)).astype(np.float32)


def poisson(lam: float) -> Draw:
    """Photon noise."""
    return lambda image, random: (random.poisson(image * lam) / lam).astype(np.float32)


def filtered(sigma: float, kernel: tuple[float, ...]) -> Draw:
    """Gaussian of this σ, correlated along both axes."""
    unit = np.array(kernel) / np.linalg.norm(kernel)

    def draw(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        noise = convolve1d(convolve1d(random.normal(0, sigma / 255, image.shape), unit, axis=0), unit, axis=1)
        return (image + noise).astype(np.float32)

    return draw


def drawn(clean: list[np.ndarray], draw: Draw, gray: bool = False) -> Iterator[np.ndarray]:
    """The noisy images, one at a time; of one channel green alone."""
    for seed, image in enumerate(clean):
        noisy = draw(image, np.random.default_rng(seed))
        yield noisy[..., 1:2] if gray else noisy


def levels(clean: list[np.ndarray]) -> list[str]:
    """σ, pooled and of single images."""
    lines = ["| σ | channels | read, pooled | error said | off | single: mean off | worst | within twice the error |"]
    lines.append("|" + "---|" * 8)
    for sigma in (5, 15, 25, 50):
        for gray in (False, True):
            single = [METERS["level"]([image]) for image in drawn(clean, white(sigma), gray)]
            pooled = METERS["level"](drawn(clean, white(sigma), gray))
            off = np.array([each.sigma * 255 / sigma - 1 for each in single])
            covered = np.mean(np.abs(off) < 2 * np.array([each.error for each in single]) * 255 / sigma)
            lines.append(
                f"| {sigma} | {1 if gray else 3} | {pooled.sigma * 255:.2f} | {pooled.error * 255:.2f} | "
                f"{pooled.sigma * 255 / sigma - 1:+.1%} | {off.mean():+.1%} | {max(off, key=abs):+.1%} | "
                f"{covered:.0%} |"
            )
    return lines


def lines_of(clean: list[np.ndarray]) -> list[str]:
    """a·λ, which is 1 in truth."""
    lines = ["| λ | channels | a·λ pooled | error said | s² pooled (truth 0) | single: median off | worst |"]
    lines.append("|" + "---|" * 7)
    for lam in (10, 30, 60):
        for gray in (False, True):
            pooled = METERS["poisson_gaussian"](drawn(clean, poisson(lam), gray))
            images = drawn(clean, poisson(lam), gray)
            off = np.array([METERS["poisson_gaussian"]([image]).gain * lam - 1 for image in images])
            lines.append(
                f"| {lam} | {1 if gray else 3} | {pooled.gain * lam:.3f} | {pooled.gain_error * lam:.3f} | "
                f"{pooled.offset:+.5f} | {np.median(np.abs(off)):.1%} | {max(off, key=abs):+.1%} |"
            )
    return lines


def correlations(clean: list[np.ndarray]) -> list[str]:
    """ρ at distance 1 and 2, and the verdicts on single images."""
    lines = ["| noise | channels | ρ(1) true | read | error said | ρ(2) true | read | ρ(3) true | read | σ read |"
             " single: correlated / white / too little flat area |"]  # fmt: skip
    lines.append("|" + "---|" * 11)
    cases = [(f"white σ {sigma}", white(sigma), (1.0,)) for sigma in (5, 15, 25, 50)]
    cases += [(f"Poisson λ {lam}", poisson(lam), (1.0,)) for lam in (10, 30, 60)]
    cases += [(f"{name}, σ {s}", filtered(s, kernel), kernel) for name, kernel in KERNELS.items() for s in (5, 15, 25)]
    for name, draw, kernel in cases:
        law = np.pad(np.correlate(kernel, kernel, "full")[len(kernel) - 1 :], (0, 4)) / np.sum(np.square(kernel))
        for gray in (False, True):
            found = METERS["correlation"](drawn(clean, draw, gray))
            verdicts = [METERS["correlation"]([image]).correlated for image in drawn(clean, draw, gray)]
            near = [f"{law[d]:.2f} | {found.rho[0, FAR + d]:.3f}" for d in (1, 2, 3)]
            counts = " / ".join(str(sum(each is verdict for each in verdicts)) for verdict in (True, False, None))
            lines.append(
                f"| {name} | {1 if gray else 3} | {near[0]} | {found.error[0, FAR + 1]:.3f} | {near[1]} | {near[2]} | "
                f"{found.sigma * 255:.2f} | {counts} |"
            )
    return lines


def artefacts(clean: list[np.ndarray]) -> list[str]:
    """How many images raise an alarm, and the largest value."""
    lines = ["| noise | " + " | ".join(ARTEFACTS) + " |", "|" + "---|" * (1 + len(ARTEFACTS))]
    for name, draw in (
        ("σ 5", white(5)),
        ("σ 25", white(25)),
        ("σ 50", white(50)),
        ("λ 10", poisson(10)),
        ("λ 30", poisson(30)),
    ):
        found = [meter(drawn(clean, draw)) for meter in ARTEFACTS.values()]
        lines.append(f"| {name} | " + " | ".join(f"{each.present} ({each.value:.2g})" for each in found) + " |")
    thresholds = [f"{meter(drawn(clean[:2], white(25))).threshold:g}" for meter in ARTEFACTS.values()]
    return [*lines, "| threshold | " + " | ".join(thresholds) + " |"]


def gains(clean: list[np.ndarray]) -> list[str]:
    """Of Gaussian filters and a local Wiener filter, with the noise measured on the same images."""
    lines = ["| noise | denoiser | true PSNR | SURE | off | error said (MSE) | true error (MSE) |", "|" + "---|" * 7]
    for name, draw, meter in (("σ 25", white(25), "level"), ("λ 30", poisson(30), "poisson_gaussian")):
        noisy = list(drawn(clean, draw))
        model = METERS[meter](noisy)
        for kind, denoiser in {
            "blur 0.5": lambda image: gaussian_filter(image, (0.5, 0.5, 0)),
            "blur 1": lambda image: gaussian_filter(image, (1, 1, 0)),
            "blur 2": lambda image: gaussian_filter(image, (2, 2, 0)),
            "local Wiener": wiener,
        }.items():
            true = [float(np.mean((denoiser(y) - x) ** 2)) for x, y in zip(clean, noisy, strict=True)]
            found, psnr = sure(denoiser, noisy, model), np.mean(-10 * np.log10(true))
            lines.append(
                f"| {name} | {kind} | {psnr:.2f} | {found.psnr:.2f} | {found.psnr - psnr:+.2f} | "
                f"{found.mse_error / np.mean(true):.1%} | {found.mse / np.mean(true) - 1:+.1%} |"
            )
    return lines


def wiener(image: np.ndarray) -> np.ndarray:
    """Local mean, and what exceeds the variance of σ 25."""
    mean = gaussian_filter(image, (2, 2, 0))
    variance = gaussian_filter((image - mean) ** 2, (2, 2, 0))
    return mean + (image - mean) * np.maximum(variance - 0.01, 0) / np.maximum(variance, 0.0101)


def real(data: Path) -> list[str]:
    """W2S, against noisy - (a·clean + b) with a fit for each file; the four planes of a raw file."""
    lines = ["| images | ρ(0,1) true | read | error said | ρ(1,0) read | σ true | read | a·x + s² | verdict |"]
    lines.append("|" + "---|" * 9)
    names = sorted(path.name for path in (data / "w2s/noisy").glob("*.tif"))
    if names:
        noisy, clean = (
            [tifffile.imread(data / "w2s" / kind / name) / 255 for name in names] for kind in ("noisy", "clean")
        )
        rests = [y - np.polyval(np.polyfit(x.ravel(), y.ravel(), 1), x) for x, y in zip(clean, noisy, strict=True)]
        rho = sum(np.mean(n[:, 1:] * n[:, :-1]) for n in rests) / sum(np.mean(n**2) for n in rests)
        sigma = np.sqrt(np.mean([np.mean(n**2) for n in rests]))
        lines.append(_row(f"W2S, {len(names)} images", noisy, f"{rho:.3f}", f"{sigma * 255:.2f}"))
    if (file := data / "raw/canon_x4_bayer.dng").exists():
        planes = raw.read(file)
        for plane, name in enumerate(("R", "G1", "G2", "B")):
            lines.append(_row(f"Canon raw, {name}", [planes[..., plane]], "–", "–"))
    return lines


def _row(name: str, images: list[np.ndarray], rho: str, sigma: str) -> str:
    found: Correlation = METERS["correlation"](images)
    line = METERS["poisson_gaussian"](images)
    verdict = {True: "correlated", False: "white", None: found.notes[:1]}[found.correlated]
    return (
        f"| {name} | {rho} | {found.rho[0, FAR + 1]:.3f} | {found.error[0, FAR + 1]:.3f} | {found.rho[1, FAR]:.3f} | "
        f"{sigma} | {found.sigma * 255:.2f} | {line.gain:.2e}±{line.gain_error:.0e}, "
        f"{line.offset:.2e}±{line.offset_error:.0e} | {verdict} |"
    )


def costs(image: np.ndarray) -> list[str]:
    """The median of 5 calls, after one that builds tables."""
    noisy, lines = white(25)(image, np.random.default_rng(0)), ["| meter | s |", "|---|---|"]
    for name, meter in METERS.items():
        seconds = []
        for _ in range(6):
            begin = time.process_time()
            meter([noisy])
            seconds.append(time.process_time() - begin)
        lines.append(f"| {name} | {np.median(seconds[1:]) / (image.shape[0] * image.shape[1] / 1e6):.2f} |")
    return lines


if __name__ == "__main__":
    main()
