"""How good is a run at 1000, 2000, 5000, … steps? Follows one while it trains, and scores its checkpoints as they come.

A checkpoint lasts for three epochs, so an epoch's end must come at each of these steps: --steps-per-epoch 1000.
PSNR at σ 25 with the paper's protocol, one draw, seed 101. A row that the log has already is not measured again.

    python benchmarks/curve.py RUN --test NAME=DIR[=MOST] [NAME=DIR[=MOST] ...] --log FILE
"""

import argparse
import sys
import time
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import tensorflow as tf
    from recipes import score

    from n2n_tf.training.build import build_network
    from n2n_tf.training.rundir import RunDirectory

MILESTONES = tuple(scale * 10**power for power in (3, 4, 5, 6) for scale in (1, 2, 5))  # steps
PAUSE = 20.0  # seconds between looks


def main() -> None:
    """Score what comes, until the run has its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--test", nargs="+", required=True, metavar="NAME=DIR[=MOST]", help="clean images, MOST of them; default: all"
    )
    parser.add_argument("--log", required=True, type=Path)
    args = parser.parse_args()
    directory = RunDirectory(args.run)
    while True:
        last = directory.report.exists()
        logged = {line.split()[0] for line in args.log.read_text().splitlines()} if args.log.exists() else set()
        for step in MILESTONES:
            checkpoint = directory.checkpoints / f"step-{step}"
            if str(step) not in logged and checkpoint.with_suffix(".index").exists():
                scores = score_checkpoint(directory, checkpoint, args.test)
                with args.log.open("a") as file:
                    print(step, time.strftime("%Y-%m-%d %H:%M"), *scores, file=file, flush=True)
        if last:
            return
        time.sleep(PAUSE)


def score_checkpoint(directory: RunDirectory, checkpoint: Path, tests: list[str]) -> list[str]:
    """PSNR of each test set, in words."""
    network = build_network(directory.settings())
    tf.train.Checkpoint(network=network).restore(str(checkpoint)).assert_existing_objects_matched().expect_partial()
    scores = []
    for name, folder, *most in (test.split("=") for test in tests):
        scores.append(f"{name} {score(network, folder, int(most[0]) if most else None):.3f} dB")
    return scores


if __name__ == "__main__":
    sys.exit(main())
