"""How fast, and how large, next to the authors' PyTorch code? Side by side in one run.

Each contestant has a process of its own; they take turns, so that the machine's moods meet all alike. Medians, with
the range of the middle half; ratios are medians of the ratios of each round. The PyTorch twin is first checked to give
our loss and gradients. Prints Markdown tables and ends with the targets. 12 minutes on 2 CPU cores.

    make bench            (or python benchmarks/speed.py [--rounds 9] [--only NAME ...] [--json FILE])
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import contestants
import pipelines
import twin

Call = tuple[str, tuple[Any, ...]]  # a function of `contestants`, and its arguments
AUTHORS, OURS = "PyTorch, as the authors", "ours"
STEP_FLOP = 68e9 / 256**2  # of a train step, for each pixel of a crop: forward on the whole, both ways on a quarter
MATRIX = 2048
LEAST, ENOUGH = 3, 90.0
COPY, COPIED = "copy of 256 MiB", 2**28


def contests() -> dict[str, dict[str, Call]]:
    """What is compared, by name; the first contestant is what the others are measured by."""

    def steps(size: tuple[int, ...]) -> dict[str, Call]:
        return {
            AUTHORS: ("torch_step", (size, False, False)),
            "PyTorch, channels last": ("torch_step", (size, True, False)),
            "PyTorch, compiled": ("torch_step", (size, False, True)),
            OURS: ("tensorflow_step", (size, False)),
            "ours, XLA": ("tensorflow_step", (size, True)),
        }

    def in_bfloat16(size: tuple[int, ...]) -> dict[str, Call]:
        return {
            "PyTorch": ("torch_step", (size, False, False, True)),
            "PyTorch, channels last": ("torch_step", (size, True, False, True)),
            "PyTorch, compiled": ("torch_step", (size, True, True, True)),
            OURS: ("tensorflow_step", (size, False, True)),
        }

    def inference(size: tuple[int, ...]) -> dict[str, Call]:
        return {
            AUTHORS: ("torch_inference", (size, False, False)),
            "PyTorch, channels last": ("torch_inference", (size, True, False)),
            "PyTorch, compiled": ("torch_inference", (size, False, True)),
            OURS: ("tensorflow_inference", (size,)),
        }

    batch = (4, 256, 256, 3)
    return {
        "train step, 4 × 256×256": steps(batch),
        "train step, 4 × 128×128": steps((4, 128, 128, 3)),
        "bfloat16, train step, 4 × 128×128": in_bfloat16((4, 128, 128, 3)),
        "inference, 512×768": inference((1, 512, 768, 3)),
        "inference, 2048×2048": inference((1, 2048, 2048, 3)),
        "sub-sampler, 4 × 256×256": {
            AUTHORS: ("torch_sampler", (batch,)),
            OURS: ("tensorflow_sampler", (batch,)),
            COPY: ("copy", ((COPIED // 4,),)),
        },
        f"product of {MATRIX}² matrices": {
            "PyTorch": ("torch_matmul", (MATRIX,)),
            OURS: ("tensorflow_matmul", (MATRIX,)),
        },
    }


@dataclass
class Timing:
    """What a contestant needed: seconds of each round, and its peak of memory in GB."""

    seconds: list[float] = field(default_factory=list)
    memory: float = float("nan")
    failure: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else float("nan")


def compete(calls: Mapping[str, Call], rounds: int) -> dict[str, Timing]:
    """Let all take turns, so many rounds; at least `LEAST` when they take longer than `ENOUGH` seconds."""
    spawn, timings = multiprocessing.get_context("spawn"), {name: Timing() for name in calls}
    running = {}
    for name, (make, arguments) in calls.items():
        here, there = spawn.Pipe()
        process = spawn.Process(target=contestants.serve, args=(there, make, arguments), daemon=True)
        process.start()
        timings[name].failure = here.recv() or ""
        if not timings[name].failure:
            running[name] = here
    began = time.monotonic()
    for number in range(rounds):
        if number >= LEAST and time.monotonic() - began > ENOUGH:
            break
        for name, connection in running.items():
            connection.send(True)
            timings[name].seconds.append(connection.recv())
    for name, connection in running.items():
        connection.send(False)
        timings[name].memory = connection.recv()
    return timings


def ratio(timings: Mapping[str, Timing], name: str, to: str) -> float:
    """The median of each round's ratio."""
    pairs = zip(timings[name].seconds, timings[to].seconds, strict=False)
    ratios = [one / other for one, other in pairs]
    return statistics.median(ratios) if ratios else float("nan")


def table(title: str, timings: Mapping[str, Timing]) -> str:
    """Markdown."""
    first = next(iter(timings))
    lines = [f"| {title} | median | middle half | ratio | peak memory |", "|---|---|---|---|---|"]
    for name, timing in timings.items():
        if timing.failure:
            lines.append(f"| {name} | failed: {timing.failure[:80]} | | | |")
            continue
        low, _, high = statistics.quantiles(timing.seconds, n=4) if len(timing.seconds) > 1 else [timing.median] * 3
        times = " | ".join([f"{_time(timing.median)}", f"{_time(low)} to {_time(high)}"])
        lines.append(f"| {name} | {times} | {ratio(timings, name, first):.2f} | {timing.memory:.2f} GB |")
    return "\n".join(lines) + "\n"


def bandwidth(timings: Mapping[str, Timing]) -> str:
    """What the sub-sampler's bytes, in and out, would take at the rate of a copy."""
    if COPY not in timings:
        return ""
    moved = 2 * 4 * 256**2 * 3 * 4 * 1.5  # y and f(y), and of each two halves of a quarter
    limit = moved / (2 * COPIED / timings[COPY].median)
    return f"\nIts {moved / 1e6:.1f} MB in and out take {_time(limit)} at the rate of the copy.\n"


def targets(results: Mapping[str, Mapping[str, Timing]], pipeline: Mapping[str, float]) -> list[str]:
    """One line each: name, value, limit, met or missed."""
    lines = []

    def line(name: str, value: float, limit: float, at_most: bool = True) -> None:
        met = value <= limit if at_most else value >= limit
        lines.append(
            f"target {name!r} {value:.2f} {'at most' if at_most else 'at least'} {limit} {'met' if met else 'missed'}"
        )

    def against(contest: str, name: str, default: float, best: float) -> None:
        timings = results.get(contest)
        if not timings:
            return
        ours = min((each for each in timings if each.startswith(OURS)), key=lambda each: timings[each].median)
        others = [each for each in timings if each.startswith("PyTorch") and timings[each].seconds]
        line(f"{name} to {AUTHORS}", ratio(timings, ours, AUTHORS), default)
        line(f"{name} to the best of PyTorch", max(ratio(timings, ours, other) for other in others), best)
        line(f"memory, {name}", timings[ours].memory / timings[AUTHORS].memory, 1.0)

    against("train step, 4 × 256×256", "train step", 0.75, 0.82)
    against("inference, 512×768", "inference", 0.5, 0.88)
    sampler = results.get("sub-sampler, 4 × 256×256")
    if sampler:
        line("sub-sampler to the twin", ratio(sampler, OURS, AUTHORS), 0.5)
    steps, products = results.get("train step, 4 × 256×256"), results.get(f"product of {MATRIX}² matrices")
    if steps and products:
        peak = 2 * MATRIX**3 / min(timing.median for timing in products.values())
        ours = min(timing.median for name, timing in steps.items() if name.startswith(OURS))
        line("share of the matrix product's FLOP/s in a train step", STEP_FLOP * 4 * 256**2 / ours / peak, 0.70, False)
    small = results.get("train step, 4 × 128×128")
    if pipeline and small:
        consumed = 4 / min(timing.median for name, timing in small.items() if name.startswith(OURS))
        line("crops read to crops consumed", pipeline["PNG"] / consumed, 10, False)
    if pipeline:
        line("crops read to a bare decode loop", pipeline["PNG"] / pipeline["PNG, bare decode loop"], 0.6, False)
    return lines


def main() -> None:
    """Check, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="contests whose names begin so; pipeline"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "torch"))
    print(f"{_processor()}, {len(os.sched_getaffinity(0))} threads; Python {platform.python_version()}, {versions}.")
    print(twin.check() + "\n", flush=True)
    results = {}
    for title, calls in contests().items():
        if title.startswith(tuple(args.only)):
            results[title] = compete(calls, args.rounds)
            print(table(title, results[title]) + bandwidth(results[title]), flush=True)
    pipeline = pipelines.rates() if "pipeline".startswith(tuple(args.only)) else {}
    if pipeline:
        print(pipelines.table(pipeline), flush=True)
    lines = targets(results, pipeline)
    print("\n".join(lines))
    if args.json:
        seconds = {title: {name: vars(each) for name, each in timings.items()} for title, timings in results.items()}
        report = {"versions": versions, "contests": seconds, "pipeline": pipeline, "targets": lines}
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds > 1 else f"{1000 * seconds:.3g} ms"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
