"""A camera with known truth: photographs become scenes, a sensor's noise is added, the camera's steps correlate it.

Kodak -> linear -> Bayer mosaic -> Poisson–Gaussian noise -> bilinear demosaicing -> white balance, gamma, JPEG 90.
The clean picture of a pair went through the same steps without noise and without JPEG. Prints what the meters say
beside the truth, as Markdown; a minute on 2 CPU cores. Or writes the pictures, to train on them, and scores denoisers:

    python benchmarks/camera.py FOLDER [--gain 0.004] [--read 0.004] [--images 24]
    python benchmarks/camera.py FOLDER --output camera
    n2n-tf train --data camera/demosaiced --noise none --output run …
    python benchmarks/camera.py FOLDER --score demosaiced=run [jpeg=other …] [--pictures pictures]
"""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import convolve

from n2n_tf.inspection.images import middle
from n2n_tf.meter import ARTEFACTS, METERS, sure
from n2n_tf.meter.projector import FAR

GAINS = np.array([0.5, 1.0, 0.65], np.float32)  # the sensor's response to red, green, blue; white balance undoes it
GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
RED_BLUE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
QUALITY = 90
SHOWN = 256**2  # pixels of the middle of the first picture
PICTURES = {"demosaiced": False, "jpeg": True}  # and whether through JPEG
SLOPE, TOE = 12.92, 0.0031308  # of sRGB


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean photographs, PNG")
    parser.add_argument("--gain", type=float, default=0.004, help="a of the sensor's variance a·x + s²")
    parser.add_argument("--read", type=float, default=0.004, help="s of the sensor's variance")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--output", type=Path, help="write demosaiced/, jpeg/ and clean/ there")
    parser.add_argument("--score", nargs="+", metavar="PICTURE=MODEL", help="denoisers, and which picture each is for")
    parser.add_argument("--pictures", type=Path, help="with --score: where noisy, denoised and clean are drawn")
    args = parser.parse_args()
    sensor = args.folder, args.gain, args.read, args.images
    if args.output:
        write(*sensor, args.output)
    elif args.score:
        print(scores([tuple(each.split("=", 1)) for each in args.score], *sensor, args.pictures))
    else:
        print(table(*sensor))


def write(folder: Path, gain: float, read: float, number: int, output: Path) -> None:
    """The noisy pictures, and the clean ones, as PNG of the photographs' names."""
    names = [path.name for path in sorted(folder.glob("*.png"))[:number]]
    for picture, jpeg in PICTURES.items():
        for name, pair in zip(names, camera_pairs(folder, gain, read, number, jpeg), strict=True):
            for kind, image in zip((picture, "clean"), pair, strict=True):
                save(image, output / kind / name)


def save(image: np.ndarray, path: Path) -> None:
    """Of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.uint8(image.clip(0, 1) * 255 + 0.5)).save(path)


def scores(
    models: Sequence[tuple[str, str]], folder: Path, gain: float, read: float, number: int, pictures: Path | None
) -> str:
    """Markdown: PSNR before and after, true and by Stein's estimate with the noise that the meters read."""
    from n2n_tf.inference import Denoiser, load_denoiser  # TensorFlow, which the table of meters does without
    from n2n_tf.value_range import UNIT

    lines = ["| picture | denoiser | PSNR before, true | read | after, true | by SURE | gain, true | by SURE | valid |"]
    lines.append("|" + "---|" * 9)
    for picture, model in models:
        denoiser = Denoiser(load_denoiser(model), value_range=UNIT)
        pairs = list(camera_pairs(folder, gain, read, number, PICTURES[picture]))
        if pictures:
            shown = [middle(each, SHOWN) for each in (pairs[0][0], np.asarray(denoiser(pairs[0][0])), pairs[0][1])]
            save(np.concatenate(shown, 1), pictures / f"{Path(model).name}.png")
        lines.append(f"| {picture} | {Path(model).name} | {score(denoiser, pairs)} |")
    return "\n".join(lines)


def score(denoiser: Callable[[np.ndarray], np.ndarray], pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """A row of the table; the truth is the mean of the pictures' PSNR, as in `Gain`."""
    noisy, results = [pair[0] for pair in pairs], []

    def kept(image: np.ndarray) -> np.ndarray:
        results.append(np.asarray(denoiser(image)))
        return results[-1]

    found = sure(kept, noisy, METERS["poisson_gaussian"](noisy), METERS["correlation"](noisy))
    before = np.mean([psnr(y, x) for y, x in pairs])
    after = np.mean([psnr(y, x) for y, (_, x) in zip(results[::2], pairs, strict=True)])  # the others: y moved a little
    return (
        f"{before:.2f} | {found.before:.2f} | {after:.2f} | {found.psnr:.2f} | {after - before:+.2f} | "
        f"{found.psnr - found.before:+.2f} | {'yes' if found.valid else 'no'}"
    )


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """At a range of 1."""
    return float(-10 * np.log10(np.mean((image.astype(float) - clean) ** 2)))


def table(folder: Path, gain: float, read: float, number: int) -> str:
    """Markdown: for the picture before and after JPEG, the truth and what the meters say."""
    lines = [
        "| picture | ρ(0,1) true | read | ρ(0,2) true | read | R–G true | read | σ true | read | verdict | artefacts |"
    ]
    lines.append("|" + "---|" * 11)
    for name, jpeg in zip(("demosaiced, gamma", f"and JPEG {QUALITY}"), PICTURES.values(), strict=True):
        pairs = list(camera_pairs(folder, gain, read, number, jpeg))
        noisy = [pair[0] for pair in pairs]
        found = METERS["correlation"](noisy)
        rho, between, sigma = truth(pairs)
        artefacts = [each for each, meter in ARTEFACTS.items() if meter(noisy).present > number / 2]
        verdict = {True: "correlated", False: "white", None: "too little flat area"}[found.correlated]
        lines.append(
            f"| {name} | {rho[0]:.2f} | {found.rho[0, FAR + 1]:.2f} | {rho[1]:.2f} | {found.rho[0, FAR + 2]:.2f} | "
            f"{between:.2f} | {found.channels[0, 1]:.2f} | {sigma * 255:.2f} | {found.sigma * 255:.2f} | {verdict} | "
            f"{', '.join(artefacts) or 'none'} |"
        )
    return "\n".join(lines)


def truth(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list[float], float, float]:
    """ρ at (0, 1) and (0, 2), ρ between red and green, σ: of noisy - clean, each image and channel without its mean."""
    sums = np.zeros(6)
    for noisy, clean in pairs:
        noise = noisy - clean
        noise = noise - noise.mean((0, 1))
        power = np.mean(noise**2)
        red, green = noise[..., 0], noise[..., 1]
        along = [np.mean(noise[:, distance:] * noise[:, :-distance]) for distance in (1, 2)]
        sums += (power, *along, np.mean(red * green), np.mean(red**2), np.mean(green**2))
    return list(sums[1:3] / sums[0]), sums[3] / np.sqrt(sums[4] * sums[5]), np.sqrt(sums[0] / len(pairs))


def camera_pairs(
    folder: Path, gain: float, read: float, number: int, jpeg: bool = True
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(noisy, clean), float32 [H, W, 3] in [0, 1], of the first photographs of a folder."""
    for seed, path in enumerate(sorted(folder.glob("*.png"))[:number]):
        photograph = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        yield camera_pair(photograph, gain, read, np.random.default_rng(seed), jpeg)


def camera_pair(
    photograph: np.ndarray, gain: float, read: float, random: np.random.Generator, jpeg: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """What the camera makes of a scene, with noise and without.

    Args:
        photograph: sRGB, float32 [H, W, 3] in [0, 1].
        gain, read: the sensor's variance is gain·x + read² at a share x of saturation.
        random: of the noise.
        jpeg: whether the noisy picture ends as JPEG, else in 8 bits.
    """
    mosaic = mosaicked(linear(photograph) * GAINS)
    noisy = random.poisson(mosaic / gain) * gain + random.normal(0, read, mosaic.shape)
    picture, clean = (rendered(demosaiced(each.astype(np.float32)) / GAINS) for each in (noisy, mosaic))
    pixels = np.uint8(picture * 255 + 0.5)
    return (compressed(pixels) if jpeg else np.float32(pixels) / 255), clean


def linear(picture: np.ndarray) -> np.ndarray:
    """Of sRGB, proportional to light."""
    return np.where(picture <= SLOPE * TOE, picture / SLOPE, ((picture + 0.055) / 1.055) ** 2.4).astype(np.float32)


def rendered(light: np.ndarray) -> np.ndarray:
    """sRGB, clipped."""
    light = np.clip(light, 0, 1)
    return np.where(light <= TOE, light * SLOPE, 1.055 * np.maximum(light, TOE) ** (1 / 2.4) - 0.055).astype(np.float32)


def mosaicked(light: np.ndarray) -> np.ndarray:
    """[H, W], RGGB."""
    mosaic = light[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    return mosaic


def demosaiced(mosaic: np.ndarray) -> np.ndarray:
    """[H, W, 3], bilinear; mirrored at the borders about a pixel, which keeps every colour in its place."""
    rows, columns = np.mgrid[: mosaic.shape[0], : mosaic.shape[1]] % 2
    masks = (rows + columns == 0, rows != columns, rows + columns == 2)
    kernels = (RED_BLUE, GREEN, RED_BLUE)
    return np.stack(
        [convolve(mosaic * mask, kernel, mode="mirror") for mask, kernel in zip(masks, kernels, strict=True)], -1
    )


def compressed(pixels: np.ndarray) -> np.ndarray:
    """Through JPEG in memory, float32."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(stream), np.float32) / 255


if __name__ == "__main__":
    main()
