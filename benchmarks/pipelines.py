"""Crops per second of the input pipeline, from JPEG, PNG and shards, and of nothing but decoding."""

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import skimage.data
from PIL import Image

SIZE = (481, 321)  # of an image, as in BSDS
CROP, BATCH = 128, 4
IMAGES, CROPS = 64, 2000


def rates() -> dict[str, float]:
    """By source, with Gaussian noise; and of the bare loop that decodes as many images on all cores."""
    from n2n_tf.data import prepare
    from n2n_tf.data.images import find_images
    from n2n_tf.data.manifest import TRAIN
    from n2n_tf.data.pipeline import Recipe, training_batches
    from n2n_tf.data.settings import CropSettings
    from n2n_tf.data.shard_writer import Writer
    from n2n_tf.data.shards import open_shards
    from n2n_tf.formats import readers
    from n2n_tf.noise import Gaussian

    recipe = Recipe(CropSettings(patch_size=CROP, batch_size=BATCH), Gaussian(25 / 255), seed=0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("JPEG", "PNG"):
            (Path(folder) / kind).mkdir()
            for number, photo in zip(range(IMAGES), itertools.cycle(photos()), strict=False):
                photo.save(Path(folder) / kind / f"{number:03d}.{kind.lower()}")
            images = find_images([f"{folder}/{kind}"], 3)
            found[kind] = rate(training_batches(images, recipe))
            found[f"{kind}, bare decode loop"] = decoded(
                lambda number, images=images: readers.read(images.pages[number])
            )
        sources, _ = prepare.image_sources([f"{folder}/PNG"], [], 3, "uint8", 256)
        with Writer(f"{folder}/shards", {"side": 256, "channels": 3, "dtype": "uint8"}, {}, 256) as writer:
            for source in sources:
                writer.add(source)
        found["shards of 256×256"] = rate(training_batches(open_shards(f"{folder}/shards", TRAIN), recipe))
    return found


def photos() -> list[Image.Image]:
    """Parts of photographs that scikit-image brings."""
    images = [Image.fromarray(load()) for load in (skimage.data.astronaut, skimage.data.coffee)]
    return [image.crop((left, 0, left + SIZE[0], SIZE[1])) for image in images for left in (0, 15, 30)]


def rate(batches: object) -> float:
    """Crops a second, after the first batches."""
    iterator = iter(batches)  # type: ignore[call-overload]
    for _ in itertools.islice(iterator, 50):
        pass
    began = time.perf_counter()
    for _ in itertools.islice(iterator, CROPS // BATCH):
        pass
    return CROPS / (time.perf_counter() - began)


def decoded(read: Callable[[int], object]) -> float:
    """Images a second of a loop that only decodes, on all cores."""
    with ThreadPoolExecutor() as pool:
        began = time.perf_counter()
        for _ in pool.map(read, (number % IMAGES for number in range(CROPS))):
            pass
        return CROPS / (time.perf_counter() - began)


def table(found: Mapping[str, float]) -> str:
    """Markdown."""
    rows = [f"| {name} | {value:.0f} |" for name, value in found.items()]
    return (
        "\n".join(
            [f"| crops of {CROP}×{CROP} from {SIZE[0]}×{SIZE[1]}, noise added | per second |", "|---|---|", *rows]
        )
        + "\n"
    )
