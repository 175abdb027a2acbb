"""What half precision costs: PSNR after a few hundred steps in float32, bfloat16 and float16, alone and mirrored.

Mirrored is on two logical CPUs, which share the cores: its time says nothing. One process for each.

    python benchmarks/precision.py --data bsds400 --val-data set14 [--features 16] [--steps 300]
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from n2n_tf.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--val-data", required=True)
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--precisions", nargs="+", default=["off", "bfloat16", "float16"])
    args = parser.parse_args()
    settings = ["--noise", "gaussian", "--patch-size", "128", "--batch-size", "4", "--targets", "1"]
    settings += ["--data", args.data, "--val-data", args.val_data, "--features", str(args.features)]
    settings += ["--epochs", "3", "--steps-per-epoch", str(args.steps // 3)]
    print("| precision | strategy | PSNR | seconds |\n|---|---|---|---|", flush=True)
    for precision in args.precisions:
        for strategy in ("none", "mirrored"):
            with tempfile.TemporaryDirectory() as folder:
                run = ["--strategy", strategy, "--mixed-precision", precision, "--output", f"{folder}/run"]
                command = [sys.executable, "-c", PROGRAM, "train", *settings, *run]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                report = json.loads(Path(folder, "run", "report.json").read_text())
                with Path(folder, "run", "history.csv").open() as file:
                    *_, last = csv.DictReader(file)
            print(
                f"| {precision} | {strategy} | {float(last['val_psnr']):.3f} dB | {report['seconds']:.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
