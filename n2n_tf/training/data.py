"""The images of a run: those to train on, and those held out."""

import dataclasses
import logging

from n2n_tf.config import UsageError
from n2n_tf.data import samples
from n2n_tf.data.arrays import Arrays
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.images import wanted_images
from n2n_tf.data.numbered import hold_out
from n2n_tf.data.paired_images import PairedImages, find_paired_images
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.data.sources import kind_at
from n2n_tf.methods.settings import CLEAN
from n2n_tf.training.config import Config
from n2n_tf.training.scale import choose_range

logger = logging.getLogger(__name__)


def find_data(config: Config, given: Arrays | None = None) -> tuple[Source, HeldOutSource]:
    """Training and held-out images; says once where they come from, and how their intensities are taken.

    Args:
        config: of the run.
        given: the images, instead of those that the settings name; some are held out.

    Raises:
        UsageError: they are none of those wanted.
        RunError: none can be read.
    """
    images = config.images
    side = config.crops.side(images.is_mosaic)
    clean = config.noise.name != "none"
    wanted = Wanted(images.channels, images.image_kind, side, images.channel, config.noise.noise_once, clean)
    smaller = dataclasses.replace(wanted, side=config.method.smallest, whole=False)  # of images that are only scored
    apart = _apart(config, smaller)
    if given is not None:
        training, held_out = _given(given, wanted, config.wants, apart, config.run.seed)
    else:
        training, held_out = _training(config, wanted, apart) if images.data else _samples(wanted, smaller, apart)
    training.value_range = held_out.value_range = choose_range(images, training)
    next(training.samples(1)), held_out.read(0)  # fail now if nothing can be decoded
    if isinstance(training, PairedImages):
        training.warn_of_other_units()
    for name, found in (("training", training), ("held-out", held_out)):
        logger.info("%d %s %s", len(found), name, found.unit)
    return training, held_out


def _apart(config: Config, smaller: Wanted) -> HeldOutSource | None:
    """Images that are named to be held out."""
    paths = config.images.val_data
    if not paths:
        return None
    if config.wants:
        raise UsageError(f"`val_data`: they come without {config.wants}; leave it out, some of `data` are held out")
    return kind_at(paths).held_out(paths, smaller, "`val_data`")


def _given(
    given: Arrays, wanted: Wanted, wants: str | None, apart: HeldOutSource | None, seed: int
) -> tuple[Source, HeldOutSource]:
    """Images that are there."""
    name, least = given.pages[0].path, min(min(page.height, page.width) for page in given.pages)
    if given.channels != wanted.channels:
        raise UsageError(f"{name}: its images have {given.channels} channels; wanted {wanted.channels} (`channels`)")
    if least < wanted.side:
        raise UsageError(f"{name}: sides from {least} pixels; wanted {wanted.side} at least, the side of a crop")
    if wants:
        raise UsageError(f"{name}: comes without {wants}, which the method learns from; name files (`data`)")
    if apart:
        return given, apart
    return hold_out(given, seed)


def _training(config: Config, wanted: Wanted, apart: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    if config.images.target:
        return hold_out(find_paired_images(config.images, wanted.side), config.run.seed)
    kind = kind_at(config.images.data)
    training = kind.training(config.images.data, wanted, "`data`")
    if config.wants == CLEAN and training.paired:  # prepared crops
        training.parts = 2
    elif config.wants:
        crops = ", or prepare SIDD's crops with theirs, prepare sidd `clean`" if config.wants == CLEAN else ""
        raise UsageError(f"`data`: the method learns from {config.wants}; say where they are, `target` DIR{crops}")
    training, held_out = (training, apart) if apart else kind.hold_out(training, config.run.seed)
    if config.wants and not held_out.paired:
        raise UsageError(f"`data`: those held out come without {config.wants}, so they cannot be scored")
    return training, held_out


def _samples(wanted: Wanted, smaller: Wanted, apart: HeldOutSource | None) -> tuple[Source, HeldOutSource]:
    """The sample images."""
    if wanted.channels not in samples.TRAINING or wanted.picked:
        counts = " or ".join(map(str, samples.TRAINING))
        raise UsageError(f"no `data`: the sample images have {counts} channels, without names; give images of your own")
    logger.info("no `data`: training on the sample images of scikit-image")
    training = wanted_images(samples.sample_paths(samples.TRAINING, wanted.channels), wanted, "`data`")
    held_out = samples.sample_paths(samples.HELD_OUT, wanted.channels)
    return training, apart or wanted_images(held_out, smaller, "`data`")
