"""Draws docs/curves.csv: PSNR of runs over their steps. Wants matplotlib, which nothing else here needs.

python benchmarks/plot.py docs/curves.csv docs/curves.svg
"""

import argparse
import csv
from pathlib import Path

from matplotlib import pyplot


def main() -> None:
    """Read, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="columns run, steps, decibels")
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    runs: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(args.table.open(encoding="utf-8")):
        runs.setdefault(row["run"], []).append((int(row["steps"]), float(row["decibels"])))
    pyplot.rcParams["svg.hashsalt"] = "the same file each time"
    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for name, points in runs.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    axes.set(xscale="log", xlabel="steps of 4 × 128×128", ylabel="PSNR, dB")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(args.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
