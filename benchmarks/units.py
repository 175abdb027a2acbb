"""Do units matter? The same noisy images as other instruments would write them, each trained on with one command.

PSNR after a fit a·x + b to the reference, of the same images, is to be equal.

    python benchmarks/units.py W2S --output DIR [--steps 400] [--images 40]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tifffile

from n2n_tf.cli.main import main as n2n_tf

UNITS = {  # 8-bit intensities -> what an instrument writes
    "8 bits": lambda image: image,
    "×16 in uint16": lambda image: image.astype(np.uint16) * np.uint16(16),
    "0–255 in uint16": lambda image: image.astype(np.uint16),
    "counts 0–35 in uint16": lambda image: np.rint(image * (35 / 255)).astype(np.uint16),
    "float 0–1": lambda image: (image / 255).astype(np.float32),
    "float 0–4000": lambda image: (image * (4000 / 255)).astype(np.float32),
    "int16 around 0": lambda image: image.astype(np.int16) * np.int16(40) - np.int16(3000),
}


def main() -> None:
    """Write, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("w2s", type=Path, help="holds noisy/ and clean/")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--images", type=int, default=40)
    args = parser.parse_args()
    files = sorted((args.w2s / "noisy").iterdir())[: args.images]
    print("| units | value range | PSNR of a·x + b, dB |\n|---|---|---|", flush=True)
    for name, convert in UNITS.items():
        folder = args.output / name
        for side in ("noisy", "clean"):
            (folder / side).mkdir(parents=True)
        for file in files:
            tifffile.imwrite(folder / "noisy" / file.name, convert(tifffile.imread(file)))
            tifffile.imwrite(folder / "clean" / file.name, tifffile.imread(args.w2s / "clean" / file.name))
        recipe = ["--patch-size", "128", "--batch-size", "4", "--targets", "1"]
        recipe += ["--epochs", "4", "--steps-per-epoch", str(args.steps // 4)]
        data, run = ["--data", str(folder / "noisy")], ["--output", str(folder / "run")]
        if n2n_tf(["train", *data, "--noise", "none", "--channels", "1", *recipe, *run]):
            raise SystemExit(f"{name}: training failed")
        pairs = ["--noisy", str(folder / "noisy"), "--clean", str(folder / "clean"), "--affine", "--protocol", "float"]
        scores = ["--pictures", "0", "--output", str(folder / "scores"), "--json", str(folder / "scores.json")]
        if n2n_tf(["evaluate", str(folder / "run"), *pairs, *scores]):
            raise SystemExit(f"{name}: evaluation failed")
        limits = json.loads((folder / "run/config.json").read_text())["value_range"]
        psnr = json.loads((folder / "scores.json").read_text())["sets"]["noisy"]["psnr"]
        shown = "of its type" if limits is None else " to ".join(f"{limit:g}" for limit in limits)
        print(f"| {name} | {shown} | {psnr:.2f} |", flush=True)


if __name__ == "__main__":
    main()
