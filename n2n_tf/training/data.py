"""The images of a run: those to train on, and those held out."""

import logging
from collections.abc import Sequence

import numpy as np

from n2n_tf.config import Config, RunError, UsageError
from n2n_tf.data import samples
from n2n_tf.data.held_out import HeldOut
from n2n_tf.data.images import Images, find_images
from n2n_tf.data.manifest import TRAIN, VAL, shards_at
from n2n_tf.data.shards import Shards, open_shards
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.training.scale import choose_range

logger = logging.getLogger(__name__)

MOST_HELD_OUT = 8  # images held out of --data when there is no --val-data
SMALLEST_HELD_OUT = 2  # pixels; the sub-sampler needs one cell


def find_data(config: Config) -> tuple[Source, HeldOutSource]:
    """Training and held-out images; says once where they come from, and how their intensities are taken."""
    apart = _held_out(config.val_data, config) if config.val_data else None
    find = _find_shards if any(shards_at(path) for path in config.data) else _find_images
    training, held_out = find(config, apart)
    training.value_range = held_out.value_range = choose_range(config, training)
    next(training.samples(1)), held_out.read(0)  # fail now if nothing can be decoded
    for name, images in (("training", training), ("held-out", held_out)):
        logger.info("%d %s %s", len(images), name, images.unit)
    return training, held_out


def _held_out(paths: Sequence[str], config: Config) -> HeldOutSource:
    if any(shards_at(path) for path in paths):
        return HeldOut(_shards(paths, VAL, config, "`val_data`"))
    return find_images(paths, config.channels, SMALLEST_HELD_OUT, "`val_data`", config.image_kind, config.channel)


def _find_shards(config: Config, held_out: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    training = _shards(config.data, TRAIN, config, "`data`")
    held_out = held_out or HeldOut(_shards(config.data, VAL, config, "`data`"))
    if not held_out:
        logger.info("no crops are held out: the scores are those of training crops")
        held_out = HeldOut(training)
    return training, held_out


def _find_images(config: Config, held_out: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    side, channels = config.crop_side, config.channels
    if config.data:
        training = find_images(config.data, channels, side, kind=config.image_kind, picked=config.channel)
        return (training, held_out) if held_out else _hold_out(training, config)
    if channels not in samples.TRAINING or config.channel:
        wanted = " or ".join(map(str, samples.TRAINING))
        raise UsageError(f"no `data`: the sample images have {wanted} channels, without names; give images of your own")
    logger.info("no `data`: training on the sample images of scikit-image")
    training = find_images(samples.sample_paths(samples.TRAINING, channels), channels, side)
    return training, held_out or find_images(samples.sample_paths(samples.HELD_OUT, channels), channels)


def _shards(paths: Sequence[str], split: str, config: Config, flag: str) -> Shards:
    """The shards of one side of the split.

    Raises:
        UsageError: several paths, or crops of another form than the settings want.
        RunError: the shards are damaged.
    """
    if len(paths) > 1:
        raise UsageError(f"{flag}: a folder of shards stands alone; got {' '.join(paths)}")
    shards = open_shards(paths[0], split)
    if (has := shards.channels) != config.channels:
        raise UsageError(f"`channels` {config.channels}: the shards of {paths[0]} have {has}; say `channels` {has}")
    if (kind := shards.kind) != config.image_kind:
        raise UsageError(f"`kind` {config.image_kind}: the shards of {paths[0]} are of kind {kind}; say `kind` {kind}")
    if config.channel:
        picked = " ".join(map(str, config.channel))
        raise UsageError(f"`channel` {picked}: shards tell no channels' names; leave it out, or say it to prepare")
    if split == TRAIN and shards.side < config.crop_side:
        wanted = f"{config.crop_side}" + (f" ({config.patch_size} without `flips`)" if config.is_mosaic else "")
        raise UsageError(
            f"`patch_size` {config.patch_size}: wanted crops of {wanted}; those of {paths[0]} have {shards.side}"
        )
    if not shards and (split == TRAIN or flag == "`val_data`"):
        raise RunError(f"{flag} {paths[0]}: none of its shards is {'to train on' if split == TRAIN else 'held out'}")
    return shards


def _hold_out(images: Images, config: Config) -> tuple[Images, Images]:
    """Some of the images, at most a tenth. Too few to spare one: the training images serve for both, and we say so."""
    count = min(MOST_HELD_OUT, len(images) // 10)
    order = np.random.default_rng(config.seed).permutation(len(images))
    chosen = set(order[:count].tolist() or order[:MOST_HELD_OUT].tolist())
    held_out = Images([page for i, page in enumerate(images.pages) if i in chosen], images.channels)
    if not count:
        logger.info("no `val_data`, and too few images to spare some: the scores are those of training images")
        return images, held_out
    logger.info("no `val_data`: %d images of `data` are held out", count)
    rest = [page for i, page in enumerate(images.pages) if i not in chosen]
    return Images(rest, images.channels, images.skipped), held_out
