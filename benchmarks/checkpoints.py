"""Does a run on noisy images alone keep the right denoiser, and choose the right γ? By the truth, which it never sees.

Noise is added to the images of TRAIN and TEST and written as float32 TIFF; TEST is held out. A run with `--gamma auto`
knows these files alone; each epoch's denoiser is scored by its estimated PSNR, and here by the clean images as well.

    python benchmarks/checkpoints.py TRAIN TEST --noise gaussian|poisson --output DIR [--steps 2000]
"""

import argparse
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import n2n_tf
    from n2n_tf.training.scorer import ESTIMATED
    from n2n_tf.training.validation import Validation

DRAWS = {
    "gaussian": lambda image, random: image + random.normal(0, 25 / 255, image.shape),
    "poisson": lambda image, random: random.poisson(30 * image) / 30,
}
EPOCHS, MOST, HELD_OUT = 10, 200, 8  # images to train on, and to score
SIDE = 512  # of what is scored


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--noise", choices=DRAWS, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    write(args.train, args.output / "train", args.noise, MOST, 0)
    clean = write(args.test, args.output / "test", args.noise, HELD_OUT, 1)
    truth = followed([tifffile.imread(args.output / "test" / name) for name in clean], list(clean.values()))
    config = n2n_tf.build_config({
        "data": [str(args.output / "train")], "val_data": [str(args.output / "test")], "noise": "none",
        "range": (0.0, 1.0), "gamma": "auto", "patch_size": 128,
        "batch_size": 4, "targets": 1, "epochs": EPOCHS,
        "steps_per_epoch": args.steps // EPOCHS, "mixed_precision": "bfloat16",
    })  # fmt: skip
    report = n2n_tf.train(config, args.output / "run")
    trials = report["trials"]["trials"]
    for row, scored in zip(trials, np.array(truth[:-EPOCHS]).reshape(len(trials), -1, 2), strict=True):
        estimated, true = max(map(tuple, scored))
        print(f"trial of gamma {row['gamma']:g}: estimated {estimated:.2f} dB, true {true:.2f} dB")
    show(truth[-EPOCHS:])


def write(folder: Path, place: Path, noise: str, most: int, seed: int) -> dict[str, np.ndarray]:
    """Noisy images; returns the clean ones by the names of these."""
    place.mkdir(parents=True, exist_ok=True)
    clean = {}
    for number, file in enumerate(sorted(folder.iterdir())[:most]):
        image = middle(np.asarray(Image.open(file).convert("RGB"), np.float32) / 255)
        noisy = DRAWS[noise](image, np.random.default_rng([seed, number]))
        clean[f"{file.stem}.tif"] = image
        tifffile.imwrite(place / f"{file.stem}.tif", noisy.astype(np.float32), photometric="rgb")
    return clean


def middle(image: np.ndarray) -> np.ndarray:
    """The part of a held-out image that runs score."""
    top, left = (max(0, side - SIDE) // 2 for side in image.shape[:2])
    return image[top : top + SIDE, left : left + SIDE]


def followed(noisy: list[np.ndarray], clean: list[np.ndarray]) -> list[tuple[float, float]]:
    """(estimated, true) PSNR, dB, of each denoiser that a run scores from now on; trials come first."""
    found: list[tuple[float, float]] = []
    scored = Validation.on_epoch_end

    def on_epoch_end(self: Validation, epoch: int, logs: dict[str, float]) -> None:
        scored(self, epoch, logs)
        errors = [
            np.mean(np.square(self.scorer.denoise(one) - wanted)) for one, wanted in zip(noisy, clean, strict=True)
        ]
        found.append((logs[f"val_{ESTIMATED}"], float(np.mean(-10 * np.log10(errors)))))

    Validation.on_epoch_end = on_epoch_end  # type: ignore[method-assign]
    return found


def show(rows: list[tuple[float, float]]) -> None:
    """A table, and what was asked."""
    print("\n| epoch | estimated | true | off |\n|---|---|---|---|")
    for epoch, (estimated, true) in enumerate(rows, 1):
        print(f"| {epoch} | {estimated:.2f} | {true:.2f} | {estimated - true:+.3f} |")
    off = np.array([estimated - true for estimated, true in rows])
    chosen, best = max(rows)[1], max(true for _, true in rows)
    print(f"\nmean error {off.mean():+.3f} dB, worst {max(off, key=abs):+.3f}; chosen {chosen:.3f}, best {best:.3f} dB")


if __name__ == "__main__":
    main()
