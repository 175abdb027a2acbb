"""What a second worker costs: a train step of one worker on one core, and of two on a core each, over loopback.

Each worker has the whole batch of the one, so if talking cost nothing the times would be equal. Taking turns; the
median step of each run, and the median over the rounds.

    python benchmarks/workers.py [--features 48] [--batch-size 4] [--patch-size 128] [--steps 30] [--rounds 3]
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

PROGRAM = """
import json, statistics, sys, time
from n2n_tf.cli.main import main
from n2n_tf.training.divergence import StopAtNaN

ends = []
StopAtNaN.on_train_batch_end = lambda self, batch, logs=None: ends.append(time.perf_counter())
status = main(sys.argv[1:])
print(json.dumps(statistics.median(b - a for a, b in zip(ends[2:], ends[3:]))))
sys.exit(status)
"""


def main() -> None:
    """Print one line for each number of workers, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=4, help="of a worker")
    parser.add_argument("--patch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    settings = ["--noise", "gaussian", "--features", args.features, "--patch-size", args.patch_size]
    settings += ["--epochs", 1, "--steps-per-epoch", args.steps]
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers, found in times.items():
            found.append(step([*map(str, settings), "--batch-size", str(args.batch_size * workers)], workers))
    for workers, found in times.items():
        each = ", ".join(f"{time:.3f}" for time in found)
        print(f"{workers} workers: {statistics.median(found):.3f} s a step of {args.batch_size * workers} ({each})")
    ratios = [one / two for one, two in zip(*times.values(), strict=True)]
    print(f"efficiency of two: {statistics.median(ratios):.2f}")


def step(settings: Sequence[str], workers: int) -> float:
    """Seconds of the chief's median step."""
    with tempfile.TemporaryDirectory() as folder:
        addresses = [f"localhost:{free_port()}" for _ in range(workers)]
        processes = []
        for number in range(workers):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
            run = [sys.executable, "-c", PROGRAM, "train", *settings, "--output", f"{folder}/run"]
            command = ["taskset", "--cpu-list", str(number), *run]
            environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            processes.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        outputs = [process.communicate() for process in processes]
        if any(process.returncode for process in processes):
            raise SystemExit("\n".join(stderr for _, stderr in outputs))
        return json.loads(outputs[0][0].splitlines()[-1])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
