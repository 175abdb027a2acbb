"""Which network gets furthest with the default recipe, in 400 and in 2000 steps of 4 × 128×128?

Trains each on each task and scores it: PSNR with the paper's protocol (one draw, seed 101); and how far the means of
32×32 blocks are from the clean image's, in 8-bit steps: wrong colours. On W2S (real noise, clean partners), PSNR after
a·x + b was fitted to the reference. FOLDER holds bsds400/, set14/, kodak/ and w2s/. One to six minutes a run.

    python benchmarks/networks.py FOLDER --output DIR [--networks unet residual_unet] [--mixed-precision bfloat16]
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import keras
    import numpy as np
    from PIL import Image

    from n2n_tf.data.images import find_images
    from n2n_tf.data.pairs import find_pairs
    from n2n_tf.evaluation.protocol import Case, Float, Paper, TestSet, evaluate
    from n2n_tf.inference import Denoiser
    from n2n_tf.noise import Gaussian
    from n2n_tf.training.begin import resume, train
    from n2n_tf.training.config import config_from

TASKS: dict[str, dict[str, Any]] = {
    "σ 25": {"noise": "gaussian", "sigma": [25.0]},
    "σ 5–50": {"noise": "gaussian", "sigma": [5.0, 50.0]},
    "gray, σ 25": {"noise": "gaussian", "sigma": [25.0], "channels": 1},
    "W2S": {"noise": "none", "channels": 1},
}
BLOCK = 32  # pixels


def main() -> None:
    """Train and score; add to networks.json in the output folder; print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", required=True, type=Path, help="folder for the runs; those there are not run again")
    parser.add_argument("--networks", nargs="+", default=["unet", "residual_unet"])
    parser.add_argument("--steps", nargs="+", type=int, default=[2000, 400])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), help=f"of {', '.join(TASKS)}; default: all")
    parser.add_argument("--mixed-precision", default="off")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    results = args.output / "networks.json"
    rows = json.loads(results.read_text()) if results.exists() else {}
    for task in args.tasks:
        for steps in args.steps:
            for network in args.networks:
                name = f"{task} | {steps} | {network} | {args.mixed_precision}"
                if name not in rows:
                    settings = TASKS[task] | {"network": network, "mixed_precision": args.mixed_precision}
                    rows[name] = run(settings, steps, args.folder, args.output, name.replace(" | ", " "))
                    results.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    print("| task | steps | network | precision | set | PSNR, dB | blocks off by, rms | largest | seconds |")
    print("|---" * 9 + "|")
    for name, row in rows.items():
        for test, scores in row["scores"].items():
            print(f"| {name} | {test} | {scores[0]:.2f} | {scores[1]:.2f} | {scores[2]:.1f} | {row['seconds']:.0f} |")


def run(settings: dict[str, Any], steps: int, folder: Path, output: Path, name: str) -> dict[str, Any]:
    """Train, or go on with what was begun; then score."""
    channels = settings.get("channels", 3)
    data = folder / "w2s" / "noisy" if settings["noise"] == "none" else images_of(folder / "bsds400", channels, output)
    common = {
        "data": [str(data)], "patch_size": 128, "batch_size": 4, "targets": 1, "epochs": 10,
        "steps_per_epoch": steps // 10,
    }  # fmt: skip
    begun = (output / name / "config.json").exists()
    report = resume(output / name) if begun else train(config_from(settings | common), output / name)
    denoiser = Denoiser(keras.models.load_model(report["denoiser"]))
    cases: dict[str, list[Case]] = {}
    real = settings["noise"] == "none"
    protocol = Float() if real else Paper()
    for case in evaluate(list(tests_of(settings, folder, output)), {"": denoiser}, protocol, affine=real):
        cases.setdefault(case.set.name, []).append(case)
    return {"seconds": report["seconds"], "scores": {test: score(each) for test, each in cases.items()}}


def tests_of(settings: dict[str, Any], folder: Path, output: Path) -> Iterator[TestSet]:
    """The noise of the task on Set14 and Kodak; W2S's own."""
    channels = settings.get("channels", 3)
    if settings["noise"] == "none":
        noisy, clean, _ = find_pairs(str(folder / "w2s" / "noisy"), str(folder / "w2s" / "clean"), channels)
        yield TestSet("w2s", clean, noisy)
        return
    for name in ("kodak", "set14"):
        images = find_images([str(images_of(folder / name, channels, output))], channels)
        yield TestSet(name, images.pages, Gaussian(*(sigma / 255 for sigma in settings["sigma"])))


def images_of(folder: Path, channels: int, output: Path) -> Path:
    """The folder, or a copy of it in gray."""
    if channels == 3:
        return folder
    gray = output / f"{folder.name}-gray"
    gray.mkdir(exist_ok=True)
    for path in sorted(folder.iterdir()):
        target = gray / f"{path.stem}.png"
        if not target.exists():
            Image.open(path).convert("L").save(target)
    return gray


def score(cases: list[Case]) -> tuple[float, float, float]:
    """Mean PSNR in dB; of the blocks' errors the rms and the largest, in 8-bit steps."""
    decibels, errors = [], []
    for case in cases:
        steps = 1 if case.clean.dtype == np.uint8 else 255  # of 8 bits in a unit
        decibels.append(case.scores[""][0])
        errors.append(steps * blocks(case.results[""].astype(np.float64) - case.clean).ravel())
    every = np.concatenate(errors)
    return float(np.mean(decibels)), float(np.sqrt(np.mean(every**2))), float(np.abs(every).max())


def blocks(image: np.ndarray) -> np.ndarray:
    """Means of whole blocks, [H // BLOCK, W // BLOCK, C]."""
    rows, columns = (side // BLOCK for side in image.shape[:2])
    whole = image[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK, -1).mean(axis=(1, 3))


if __name__ == "__main__":
    sys.exit(main())
