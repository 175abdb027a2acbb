"""Kill a training run at random moments, as often as asked; does it always end with the weights of a run left alone?

Each time the run is resumed; it is killed anywhere: while it starts, trains, saves or validates. Ends with status 1 at
the first difference. About 10 seconds for each kill.

    python benchmarks/kills.py [--kills 20] [--seed 0]
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

SETTINGS = ["--noise", "gaussian", "--features", "4", "--patch-size", "64", "--batch-size", "2"]
SETTINGS += ["--epochs", "40", "--steps-per-epoch", "25", "--checkpoint-steps", "10"]


def main() -> None:
    """Run, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    moments = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        began = time.monotonic()
        train(whole)
        seconds = time.monotonic() - began
        kills = rounds = 0
        while kills < args.kills:
            rounds += 1
            while kills < args.kills and train(killed, moments.uniform(0.3, 1) * seconds / 3) is None:
                kills += 1
                print(f"kill {kills}: {len(list(killed.glob('checkpoints/*.index')))} checkpoints", flush=True)
            train(killed)
            if not same(whole, killed):
                raise SystemExit(f"run {rounds}: other weights after {kills} kills")
            print(f"run {rounds} ended with the weights of the run left alone", flush=True)
            killed = Path(folder) / f"killed{rounds}"
    print(f"{kills} of {args.kills} kills, {rounds} runs: equal")


def train(directory: Path, kill_after: float | None = None) -> int | None:
    """Begin or resume a run; None if it was killed."""
    begun = ["--resume"] if (directory / "config.json").exists() else SETTINGS
    command = [sys.executable, "-m", "n2n_tf", "train", *begun, "--output", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=kill_after)  # a timeout sends SIGKILL
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.returncode


def same(one: Path, other: Path) -> bool:
    """Whether the denoisers of two runs are equal, and the last checkpoints bit for bit."""
    with quiet_import():
        import numpy as np
        import tensorflow as tf
    readers = [tf.train.load_checkpoint(str(path / "checkpoints")) for path in (one, other)]
    names = [name for name in readers[0].get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    names = [name for name in names if not name.startswith("save_counter")]
    return all(np.array_equal(*(reader.get_tensor(name) for reader in readers)) for name in names)


if __name__ == "__main__":
    main()
