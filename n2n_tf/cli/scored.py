"""What `evaluate` scores: which images, of which form, with which noise."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from n2n_tf.cli.blocks import are_blocks
from n2n_tf.config import UsageError
from n2n_tf.config.kinds import CHANNELS, COUNTS, MOSAIC, RGB, kind_by_count
from n2n_tf.noise.settings import NOISES, NoiseSettings

if TYPE_CHECKING:
    from n2n_tf.evaluation.protocol import TestSet
    from n2n_tf.noise import Noise

WORDS = " or ".join(name for name in NOISES if name != "none")


def form_told(args: argparse.Namespace) -> tuple[int, str]:
    """Channels and kind of the images where no model tells them."""
    if are_blocks(args.noisy):
        return COUNTS[MOSAIC], MOSAIC
    channels = args.channels or COUNTS[RGB]
    return channels, CHANNELS if channels == COUNTS[MOSAIC] else kind_by_count(channels)


def noise_told(settings: NoiseSettings | None) -> "Noise | None":
    """What is added to clean images; None for pairs."""
    if settings is None:
        return None
    noise = settings.build()
    if noise is None:
        raise UsageError(f"--data holds clean images: say which noise to add, --noise {WORDS}")
    return noise


def find_sets(
    args: argparse.Namespace, noise: "Noise | None", channels: int, kind: str
) -> tuple[list["TestSet"], dict[str, str], Mapping[str, Mapping[str, tuple[float, float]]]]:
    """The test sets, the files that cannot be used, and what the paper tells of them."""
    from n2n_tf.evaluation.paper import published
    from n2n_tf.tasks.evaluate import noise_sets, pair_sets, sidd_sets

    if are_blocks(args.noisy):
        sets, there = sidd_sets(args.noisy, args.clean, args.block_names, args.pattern, channels, kind)
        return sets, {}, there
    if noise is None:
        return *pair_sets(args.noisy, args.clean, channels, kind), {}
    there = published(str(noise)) if args.protocol == "paper" else {}
    return *noise_sets(args.data, noise, channels, kind, args.repeats), there
