"""Start-up and memory with many images: how long until the first batch, and how much memory does the list take?

The files are links to one small image on a file system in memory, so it is our own work that is timed, not a disk's.
Each count runs in a process of its own.

    python benchmarks/many_files.py [--counts 1000 10000 100000 1000000] [--folder /dev/shm]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

IN_A_FOLDER = 1000
LINKS = 50_000  # to one file; some file systems take no more than 65,000


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--folder", default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one)))
        return
    for number, count in enumerate(args.counts):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            make(Path(folder), count)
            output = subprocess.run(
                [sys.executable, __file__, "--one", folder], stdout=subprocess.PIPE, check=True, text=True
            ).stdout
        row = {"files": count, **json.loads(output.splitlines()[-1])}
        if number == 0:
            print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}")
        print(f"| {' | '.join(str(value) for value in row.values())} |", flush=True)


def make(folder: Path, count: int) -> None:
    """`count` images, of which few take space."""
    from PIL import Image

    for number in range(count):
        place = folder / f"{number // IN_A_FOLDER:05d}"
        place.mkdir(exist_ok=True)
        path = place / f"{number % IN_A_FOLDER:03d}.jpg"
        if number % LINKS == 0:
            first = path
            Image.effect_noise((96, 96), 40).convert("RGB").save(first)
        else:
            os.link(first, path)


def measured(folder: str) -> dict[str, float]:
    """Seconds and megabytes of what a run does before its first step; of a resumed one too."""
    with quiet_import():
        from n2n_tf.data.pipeline import training_batches
        from n2n_tf.training.build import build_recipe
        from n2n_tf.training.config import config_from
        from n2n_tf.training.data import find_data
        from n2n_tf.training.rundir import RunDirectory
    config = config_from({"data": [folder], "noise": "none", "patch_size": 64})
    times, before = {}, resident()
    began = time.perf_counter()

    def done(what: str) -> None:
        nonlocal began
        times[what] = round(time.perf_counter() - began, 2)
        began = time.perf_counter()

    training, held_out = find_data(config)
    done("find, s")
    listed = resident() - before
    with tempfile.TemporaryDirectory() as run:
        directory = RunDirectory(run)
        directory.create(config, training, held_out, {})
        done("write the list, s")
        size = directory.images.stat().st_size / 1e6
        again, _ = directory.open(3, {})
        done("resume: read it, s")
    assert again.pages == training.pages
    began = time.perf_counter()
    batches = iter(training_batches(training, build_recipe(config), first_step=10**7))
    next(batches)
    done("first batch, s")
    for _ in range(100):
        next(batches)
    done("100 more, s")
    del batches
    return {**times, "memory of the list, MB": round(listed), "list on disk, MB": round(size, 1)}


def resident() -> float:
    """Megabytes of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1e3


if __name__ == "__main__":
    main()
