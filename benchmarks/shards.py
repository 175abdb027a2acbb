"""Do shards keep up with training? Crops per second of `n2n-tf prepare sidd`, of the reader, and of a train step.

Writes images of SIDD's form and size (see sidd_form.py), cuts them, reads batches of 4 crops of 128×128 cells as
training does, and takes the median of 20 train steps of the paper's U-Net on such a batch. About 2 minutes on 2 CPU
cores.

    python benchmarks/shards.py PHOTO.dng [--images 4] [--json FILE]
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import sidd_form
    import tensorflow as tf

    from n2n_tf.data import prepare
    from n2n_tf.data.manifest import COMPRESSION, TRAIN
    from n2n_tf.data.pipeline import training_batches
    from n2n_tf.data.shard_writer import Writer
    from n2n_tf.data.shards import open_shards
    from n2n_tf.training.build import build_model, build_recipe
    from n2n_tf.training.config import config_from

STEPS, BATCHES = 20, 400


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", help="Bayer raw file")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = measured(args.photo, args.images, Path(folder))
    print("| crops per second | | against a train step |\n|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.1f} | {rate / rates['train step']:.1f} |")
    if args.json:
        args.json.write_text(json.dumps(rates, indent=2) + "\n")


def measured(photo: str, images: int, folder: Path) -> dict[str, float]:
    """Crops per second by what is done."""
    mosaic = sidd_form.clean_mosaic(photo)
    for seed, name in enumerate(sidd_form.INSTANCES[:images]):
        sidd_form.write_instance(folder / "Data", name, mosaic, sidd_form.SIZE, seed)
    sources, _ = prepare.sidd_sources(str(folder / "Data"), [])
    writer = Writer(str(folder / "shards"), {"side": 256, "channels": 4, "dtype": "float32"}, {}, 128)
    rates = {"prepare": rate(lambda: sum(writer.add(source) for source in sources))}

    settings = {"data": ["shards"], "noise": "none", "channels": 4, "patch_size": 128, "batch_size": 4}
    config = config_from({**settings, "epochs": 1})
    shards = open_shards(str(folder / "shards"), TRAIN)
    batches = iter(training_batches(shards, build_recipe(config)))
    batch = next(batches)
    rates["reader"] = rate(lambda: sum(len(noisy) for (noisy,) in itertools.islice(batches, BATCHES)))
    paths = [f"{shards.folder}/{name}" for name in shards.counts]
    rates["bare loop over the records"] = rate(lambda: sum(1 for _ in tf.data.TFRecordDataset(paths, COMPRESSION)))

    model = build_model(config, STEPS, tf.distribute.get_strategy())
    step = tf.function(model.train_step)
    step(batch)
    times = [1 / rate(lambda: step(batch)["loss"].numpy() is not None) for _ in range(STEPS)]
    rates["train step"] = config.crops.batch_size / statistics.median(times)
    return rates


def rate(work: Callable[[], int]) -> float:
    """What `work` counts, each second."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
