"""What `denoise --scheduler` gains: images, and one OME-Zarr volume, without Dask and with processes of this machine.

Taking turns. Of each command the time and the processor time of all its processes, starting them included, and the rate
of results between the first and the last. Beside other work the rate tells as well how much of the machine so many
processes are given; processor time does not.

    python benchmarks/crew.py [--images 24] [--planes 24] [--rounds 2] [--workers 1 2 4]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr
from PIL import Image

SHAPE = 512, 768


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--planes", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    args = parser.parse_args()
    ways = {"no Dask": [], **{f"local:{count}": ["--scheduler", f"local:{count}"] for count in args.workers}}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.images, args.planes)
        if args.images:
            measure(Path(folder), "in", "blind", "*.png", ways, args.rounds)
        if args.planes:
            measure(Path(folder), "v.ome.zarr", "blind_gray", "**/c/*/0/0", ways, args.rounds)


def measure(folder: Path, what: str, model: str, pattern: str, ways: dict[str, list[str]], rounds: int) -> None:
    """Time one input in all ways, which take turns."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, flags in ways.items():
            output = folder / f"{what}-{name}-{number}"
            command = ["denoise", model, str(folder / what), "--output", str(output), *flags]
            found[name].append(timed(command, lambda output=output: written(output, pattern)))
            print(what, name, *(f"{number:.3f}" for number in found[name][-1]), flush=True)
    for name, times in found.items():
        whole, processor, rate = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(one[2] / base[2] for one, base in zip(times, found["no Dask"], strict=True))
        told = f"{whole:.0f} s, {processor:.0f} s of processors, {rate:.3f}/s, {ratio:.2f} of no Dask"
        print(f"{what} {name}: {told}", flush=True)


def timed(command: list[str], results: Callable[[], list[float]]) -> tuple[float, ...]:
    """Seconds of a command, those of processors, and its results a second once it is at work."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "n2n_tf", *command], capture_output=True, text=True)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    times = sorted(results())
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor, (len(times) - 1) / (times[-1] - times[0])


def written(output: Path, pattern: str) -> list[float]:
    """When each result was."""
    return [path.stat().st_mtime for path in output.glob(pattern)]


def make(folder: Path, images: int, planes: int) -> None:
    """Noise of σ 25 around a slope."""
    random = np.random.default_rng(0)
    slope = np.linspace(40, 210, SHAPE[1])
    (folder / "in").mkdir()
    for number in range(images):
        noisy = random.normal(slope[:, None], 25, (*SHAPE, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "in" / f"{number:02d}.png")
    if planes:
        group = zarr.open_group(folder / "v.ome.zarr", mode="w")
        volume = random.normal(slope, 25, (planes, *SHAPE)).clip(0, 255).astype(np.uint8)
        group.create_array("0", data=volume, chunks=(1, *SHAPE))
        axes = [{"name": name, "type": "space"} for name in "zyx"]
        scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


if __name__ == "__main__":
    main()
