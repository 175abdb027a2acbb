"""Sizes and times of the package: archives, installation, imports, the first result.

    python benchmarks/package.py

A clean clone of the commit that is checked out goes into an empty environment, by pip, from its registry or cache.
Times of imports and commands are medians of 5, after one that compiles and fills the disk's cache.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKE_PHOTO = "import skimage.data, skimage.io; skimage.io.imsave('photo.png', skimage.data.chelsea())"


def main() -> None:
    """Measure, print a row each."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place / "clone")], check=True)
        builder, used = environment(place / "builder"), environment(place / "used")
        run([builder / "pip", "install", "--quiet", "build"], place)
        run([builder / "python", "-m", "build", "clone", "--outdir", "archives"], place)
        print("| | |\n|---|---|")
        for archive in sorted((place / "archives").iterdir()):
            row("wheel" if archive.suffix == ".whl" else "source archive", megabytes([archive]))
        row("`pip install .`", f"{run([used / 'pip', 'install', '--quiet', './clone'], place):.0f} s")
        row("installed, with TensorFlow and all else", megabytes(used.parent.rglob("*")))
        for name in ("n2n_tf", "n2n_tf.serving"):
            row(f"`import {name}`", f"{median(lambda name=name: imported(used / 'python', name)):.2f} s")
        row("`n2n-tf --help`", f"{median(lambda: run([used / 'n2n-tf', '--help'], place)):.2f} s")
        run([used / "python", "-c", MAKE_PHOTO], place)
        command = [used / "n2n-tf", "denoise", "photo.png", "--output", "out", "--overwrite"]
        before = processor()
        row("`n2n-tf denoise photo.png`, 300×451 pixels", f"{median(lambda: run(command, place)):.1f} s")
        row("its processor time", f"{(processor() - before) / 6:.1f} s")
        row("load of the machine, mean of the last 15 minutes", f"{os.getloadavg()[2]:.1f} on {os.cpu_count()} cores")


def environment(path: Path) -> Path:
    """An empty one; its programs."""
    subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
    return path / "bin"


def run(command: Sequence[str | Path], place: Path) -> float:
    """Seconds of a command."""
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], cwd=place, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return time.perf_counter() - start


def processor() -> float:
    """Seconds that commands so far took of it."""
    times = os.times()
    return times.children_user + times.children_system


def imported(python: Path, name: str) -> float:
    """Seconds, as Python's -X importtime tells them; away from the clone."""
    command = [str(python), "-X", "importtime", "-c", f"import {name}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=python.parent).stderr
    times = re.findall(r"\|\s+(\d+) \| n2n_tf(?:\.serving)?$", told, re.MULTILINE)  # not indented: with all below
    return sum(map(int, times)) / 1e6


def median(seconds: Callable[[], float]) -> float:
    """Of 5, after one."""
    seconds()
    return statistics.median(seconds() for _ in range(5))


def megabytes(paths: Iterable[Path]) -> str:
    """Of files."""
    return f"{sum(path.stat().st_size for path in paths if path.is_file() and not path.is_symlink()) / 1e6:,.1f} MB"


def row(name: str, value: str) -> None:
    """Of the table."""
    print(f"| {name} | {value} |", flush=True)


if __name__ == "__main__":
    main()
