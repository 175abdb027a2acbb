"""What does `denoise --adapt` gain? Against its start, and against training from nothing for the same time.

Photographs with noise of other levels and kinds than the weights were made for, W2S, and a camera's pictures, one image
many. True PSNR of the first images, in dB; of W2S after a fit a·x + b. Prints a Markdown table; said: what the
command says of the first two without a clean one.

    python benchmarks/adapting.py DATA [--model blind] [--seconds 20] [--case NAME ...]

DATA holds kodak/*.png, bsds400/*, and where it is there w2s/{noisy,clean}/*.tif.
"""

import argparse
import logging
import logging.handlers
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import numpy as np
    import tifffile
    from camera import camera_pairs, save
    from PIL import Image

    from n2n_tf.evaluation.metrics import psnr
    from n2n_tf.inference import Denoiser
    from n2n_tf.tasks import adapting
    from n2n_tf.training import begin
    from n2n_tf.weights import load_denoiser

SCORED = 4  # images
Pairs = list[tuple[np.ndarray, np.ndarray]]
Case = Callable[[Path], Pairs]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="blind", help="for colours; blind_gray is for W2S")
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0])
    parser.add_argument("--case", nargs="+", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 40])
    parser.add_argument("--scratch", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings")
    args = parser.parse_args()
    for name, value in (each.split("=") for each in args.set):
        recipe = adapting.NEIGHBORS if name in adapting.NEIGHBORS else adapting.RECIPE
        recipe[name] = type(recipe.get(name, ""))(value)
    logging.getLogger(adapting.__name__).setLevel(logging.INFO)
    said = logging.handlers.BufferingHandler(1000)
    logging.getLogger(adapting.__name__).addHandler(said)
    columns = ["noise", "images", "noisy", "start", "seconds", "adapted", "wall s", "from nothing", "said"]
    print(f"| {' | '.join(columns)} |\n|" + "---|" * len(columns), flush=True)
    for name in args.case:
        pairs, gray, eight = CASES[name](args.data), name == "W2S", "camera" in name
        told = None if gray or eight else (0.0, 1.0)
        model = "blind_gray" if gray and args.model == "blind" else args.model
        for count in args.images:
            few = pairs[:count]
            with tempfile.TemporaryDirectory() as folder:
                files = written(few, Path(folder), eight)
                before = [scored(few, None), scored(few, Denoiser(load_denoiser(model)))]
                for seconds in args.seconds:
                    said.buffer.clear()
                    began = time.monotonic()
                    after = scored(few, Denoiser(adapting.adapt(model, files, seconds, told)))
                    wall = time.monotonic() - began
                    nothing = (
                        scored(few, Denoiser(scratch(files, seconds, gray, told))) if args.scratch else float("nan")
                    )
                    words = " ".join(each.getMessage() for each in said.buffer)
                    print(
                        f"| {name} | {len(few)} | {before[0]:.2f} | {before[1]:.2f} | {seconds:g} | {after:.2f} | "
                        f"{wall:.0f} | {nothing:.2f} | {words} |", flush=True,
                    )  # fmt: skip


def scratch(files: list[str], seconds: float, gray: bool, told: tuple[float, float] | None) -> Any:
    """A denoiser of the default recipe, trained for the same time at a constant rate."""
    settings = {
        **adapting.RECIPE, **adapting.NEIGHBORS, "learning_rate": 1e-3, "gamma": 0.5, "data": files, "noise": "none",
        "seconds": seconds, "channels": 1 if gray else 3, **({"range": list(told)} if told else {}),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        report = begin.train(adapting.build_config(settings), Path(folder, "run"))
        return load_denoiser(report["denoiser"])


def written(pairs: Pairs, folder: Path, eight: bool) -> list[str]:
    """The noisy images as files."""
    files = []
    for number, (noisy, _) in enumerate(pairs):
        files.append(str(folder / f"{number:03}.{'png' if eight else 'tif'}"))
        if eight:
            save(noisy, Path(files[-1]))
        else:
            tifffile.imwrite(files[-1], noisy, photometric="rgb" if noisy.shape[-1] == 3 else "minisblack")
    return files


def scored(pairs: Pairs, denoiser: Denoiser | None) -> float:
    """Mean PSNR of the first images."""
    found = []
    for noisy, clean in pairs[:SCORED]:
        result = np.atleast_3d(denoiser(noisy) if denoiser else noisy).astype(np.float64)
        if clean.max() > 1:  # W2S: each file has a scale of its own
            slope, offset = np.polyfit(result.ravel(), clean.ravel(), 1)
            result, clean = (slope * result + offset) / 255, clean / 255
        found.append(psnr(result.clip(0, 1), clean))
    return float(np.mean(found))


def photographs(draw: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Case:
    """Kodak's first image, then others of it and of BSDS400."""

    def case(data: Path) -> Pairs:
        random = np.random.default_rng(0)
        paths = [*sorted((data / "kodak").glob("*.png"))[::6], *sorted((data / "bsds400").iterdir())[:36]]
        clean = [np.asarray(Image.open(path).convert("RGB"), np.float32) / 255 for path in paths]
        return [(draw(image, random).astype(np.float32), image) for image in clean]

    return case


def w2s(data: Path) -> Pairs:
    """Fluorescence."""
    return [
        (np.atleast_3d(tifffile.imread(path)), np.atleast_3d(tifffile.imread(data / "w2s/clean" / path.name)))
        for path in sorted((data / "w2s/noisy").glob("*.tif"))[:40]
    ]


def gaussian(sigma: float) -> Case:
    """Of 255."""
    return photographs(lambda image, random: image + random.normal(0, sigma / 255, image.shape))


CASES: dict[str, Case] = {
    "Gaussian σ 10": gaussian(10),
    "Gaussian σ 25": gaussian(25),
    "Gaussian σ 75": gaussian(75),
    "Poisson λ 10": photographs(lambda image, random: random.poisson(image * 10) / 10),
    "Poisson λ 60": photographs(lambda image, random: random.poisson(image * 60) / 60),
    "W2S": w2s,
    "camera, demosaiced": lambda data: list(camera_pairs(data / "kodak", 0.004, 0.004, 24, False)),
}

if __name__ == "__main__":
    sys.exit(main())
