"""Which recipe gets furthest in 2000 steps of 4 × 128×128?

Trains each recipe below on one folder and scores it on others with the paper's protocol (σ 25, one draw, seed 101).
Everything but the settings named here is the same. About 10 to 25 minutes for each recipe on 2 CPU cores.

    python benchmarks/recipes.py --data DIR --test NAME=DIR [NAME=DIR ...] --output DIR [RECIPE ...]
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import keras
    import numpy as np

    from n2n_tf.config import lookup
    from n2n_tf.data.images import find_images
    from n2n_tf.evaluation.protocol import Paper, TestSet, evaluate
    from n2n_tf.inference import Denoiser
    from n2n_tf.noise import Gaussian
    from n2n_tf.training.begin import resume, train
    from n2n_tf.training.config import config_from
    from n2n_tf.training.presets import PRESETS

COMMON = {
    "noise": "gaussian",
    "sigma": [25.0],
    "patch_size": 128,
    "batch_size": 4,
    "targets": 1,
    "clip_gradients": 0.0,
    "epochs": 10,
    "steps_per_epoch": 200,
}

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "the paper's network": {"network": "unet"},
    "authors": PRESETS["paper"],
    "authors' schedules, default weights": {**PRESETS["paper"], "init": "default"},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "beta 2 of 0.999": {"beta_2": 0.999},
    "constant gamma": {"gamma_schedule": "constant"},
    "gamma 1": {"gamma": 1.0},
    "no flips": {"flips": False},
    "averaged weights": {"ema": 0.99},
}


def main() -> None:
    """Train and score each recipe; print a Markdown table; add to recipes.json in the output folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), help=f"of {', '.join(RECIPES)}; default: all")
    parser.add_argument("--data", required=True, help="training images")
    parser.add_argument("--test", nargs="+", required=True, metavar="NAME=DIR", help="test sets of clean images")
    parser.add_argument("--output", required=True, type=Path, help="folder for the runs")
    args = parser.parse_args()
    tests = dict(test.split("=", 1) for test in args.test)

    results = args.output / "recipes.json"
    table = json.loads(results.read_text()) if results.exists() else {}
    for name in args.recipes:
        config = config_from({**lookup(RECIPES, name, "recipe"), **COMMON, "data": [args.data]})
        begun = (args.output / name / "config.json").exists()
        report = resume(args.output / name) if begun else train(config, args.output / name)
        network = keras.models.load_model(report["denoiser"])
        scores = {test: score(network, folder) for test, folder in tests.items()}
        table[name] = {"settings": RECIPES[name], "seconds": report["seconds"], "psnr": scores}
        results.write_text(json.dumps(table, indent=2) + "\n")
    print_table(table, list(tests))


def score(network: keras.Model, folder: str, most: int | None = None) -> float:
    """Mean PSNR of a test set, or of its first images."""
    test = TestSet("", find_images([folder], network.input_shape[-1]).pages[:most], Gaussian(25 / 255))
    cases = evaluate([test], {"": Denoiser(network)}, Paper())
    return float(np.mean([case.scores[""][0] for case in cases]))


def print_table(table: dict[str, Any], tests: list[str]) -> None:
    """One row for each recipe."""
    print(f"| recipe | {' | '.join(f'{test}, dB' for test in tests)} | minutes |")
    print("|---" * (len(tests) + 2) + "|")
    for name, row in table.items():
        psnr = " | ".join(f"{row['psnr'][test]:.2f}" if test in row["psnr"] else "" for test in tests)
        print(f"| {name} | {psnr} | {row['seconds'] / 60:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
