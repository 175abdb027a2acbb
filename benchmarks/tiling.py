"""What does a memory budget cost? A large JPEG through `n2n-tf denoise`, against an image denoised whole.

Prints a Markdown table: peak resident memory, and time per megapixel as a ratio to an untiled image of 4 megapixels
(median of the calls before and after each run, the first call not counted). The paper's U-Net, random weights.
About 10 minutes on 2 CPU cores.

    python benchmarks/tiling.py [--megapixels 100] [--memory 3 8] [--json FILE]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from n2n_tf.tasks.quiet import quiet_import

SIDE = 2048  # of the untiled image


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--memory", type=float, nargs="+", default=[3, 8], metavar="GB")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--whole", help=argparse.SUPPRESS)  # this program, as the process that denoises untiled
    args = parser.parse_args()
    if args.whole:
        print(json.dumps(untiled(args.whole)))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), args.megapixels, args.memory)
    print("| memory allowed | peak resident memory | s per megapixel | untiled | ratio |\n|---|---|---|---|---|")
    for row in results:
        print(
            f"| {row['memory']:g} GB | {row['peak']:.2f} GB | {row['seconds']:.2f} | {row['untiled']:.2f} | "
            f"{row['seconds'] / row['untiled']:.2f} |"
        )
    if args.json:
        args.json.write_text(json.dumps({"machine": platform.processor(), "rows": results}, indent=2) + "\n")


def measure(folder: Path, megapixels: float, budgets: list[float]) -> list[dict[str, Any]]:
    """One row for each budget."""
    with quiet_import():
        from n2n_tf.networks import unet
    model, image = folder / "unet.keras", folder / "large.jpg"
    unet(seed=0).save(model)
    height, width = round((megapixels * 0.75e6) ** 0.5), round((megapixels / 0.75 * 1e6) ** 0.5)
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    Image.fromarray(pixels).resize((width, height)).save(image)
    rows = []
    for budget in budgets:
        calls = run_untiled(model)
        command = [sys.executable, "-m", "n2n_tf", "denoise", str(model), str(image), "--output", str(folder / "out")]
        begin = time.monotonic()
        child = subprocess.Popen([*command, "--overwrite", "--memory", str(budget)])
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
        if status:
            raise SystemExit(f"n2n-tf denoise failed with status {status}")
        untiled_seconds = float(np.median(calls + run_untiled(model))) / (SIDE**2 / 1e6)
        rows.append(
            {
                "memory": budget,
                "peak": usage.ru_maxrss * 1024 / 1e9,
                "seconds": seconds / (height * width / 1e6),  # of the whole command, start and files included
                "untiled": untiled_seconds,
            }
        )
    return rows


def run_untiled(model: Path) -> list[float]:
    """As `untiled`, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--whole", str(model)], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def untiled(model: str) -> list[float]:
    """Seconds of three calls on one image, after one that is not counted."""
    with quiet_import():
        from n2n_tf.inference import Denoiser, load_denoiser
    denoiser = Denoiser(load_denoiser(model), memory=100)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    seconds = []
    for _ in range(4):
        begin = time.monotonic()
        denoiser(image)
        seconds.append(time.monotonic() - begin)
    return seconds[1:]


if __name__ == "__main__":
    main()
