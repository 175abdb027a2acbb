"""The images of a run: those to train on, and those held out."""

import dataclasses
import logging

from n2n_tf.config import Config, UsageError
from n2n_tf.data import samples
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.images import wanted_images
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.data.sources import kind_at
from n2n_tf.training.scale import choose_range

logger = logging.getLogger(__name__)

SMALLEST_HELD_OUT = 2  # pixels; the sub-sampler needs one cell


def find_data(config: Config) -> tuple[Source, HeldOutSource]:
    """Training and held-out images; says once where they come from, and how their intensities are taken."""
    wanted = Wanted(config.channels, config.image_kind, config.crop_side, config.channel, config.noise_once)
    smaller = dataclasses.replace(wanted, side=SMALLEST_HELD_OUT, whole=False)
    apart = kind_at(config.val_data).held_out(config.val_data, smaller, "`val_data`") if config.val_data else None
    training, held_out = _training(config, wanted, apart) if config.data else _samples(wanted, smaller, apart)
    training.value_range = held_out.value_range = choose_range(config, training)
    next(training.samples(1)), held_out.read(0)  # fail now if nothing can be decoded
    for name, images in (("training", training), ("held-out", held_out)):
        logger.info("%d %s %s", len(images), name, images.unit)
    return training, held_out


def _training(config: Config, wanted: Wanted, apart: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    kind = kind_at(config.data)
    training = kind.training(config.data, wanted, "`data`")
    return (training, apart) if apart else kind.hold_out(training, config.seed)


def _samples(wanted: Wanted, smaller: Wanted, apart: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    """The sample images."""
    if wanted.channels not in samples.TRAINING or wanted.picked:
        counts = " or ".join(map(str, samples.TRAINING))
        raise UsageError(f"no `data`: the sample images have {counts} channels, without names; give images of your own")
    logger.info("no `data`: training on the sample images of scikit-image")
    training = wanted_images(samples.sample_paths(samples.TRAINING, wanted.channels), wanted, "`data`")
    return training, apart or wanted_images(samples.sample_paths(samples.HELD_OUT, wanted.channels), smaller, "`data`")
