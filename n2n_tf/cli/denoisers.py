"""The denoiser that a command is told, and the flags of its size."""

import argparse
from typing import TYPE_CHECKING, Any

from n2n_tf.baselines.settings import BASELINES
from n2n_tf.cli.baselines import build_baseline
from n2n_tf.cli.flags import Number
from n2n_tf.config import MEMORIES, MEMORY, TILES, UsageError
from n2n_tf.config.kinds import COUNTS, MOSAIC, RGB
from n2n_tf.tasks.quiet import quiet_import

if TYPE_CHECKING:
    import keras

    from n2n_tf.inference import Denoiser
    from n2n_tf.value_range import Told


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags for images larger than memory."""
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--memory",
        type=float,
        action=Number,
        within=MEMORIES,
        metavar="GB",
        help=f"resident memory to use (default: {MEMORY:g})",
    )
    sizes.add_argument(
        "--tile", type=int, action=Number, within=TILES, metavar="N", help="side of the tiles instead, in pixels"
    )


def build_denoiser(
    model: "str | keras.Model", args: argparse.Namespace, any_channels: bool = False, value_range: "Told" = None,
    form: tuple[int, str] = (COUNTS[RGB], RGB),
) -> "Denoiser":  # fmt: skip
    """The denoiser of a file or network, with --ensemble and the flags of `add_size_arguments`.

    One that needs no training is for images of this form, channels and kind.
    """
    if isinstance(model, str) and model in BASELINES:
        return build_baseline(model, args, *form, value_range)
    with quiet_import():
        from n2n_tf.inference import Denoiser, kind_of_network
        from n2n_tf.weights import load_denoiser
    sizes = sizes_of(args)
    network = load_denoiser(model) if isinstance(model, str) else model
    if args.ensemble and kind_of_network(network) == MOSAIC:
        raise UsageError("--ensemble with a raw model: flips would displace the colours of a mosaic; leave it out")
    try:
        return Denoiser(network, ensemble=args.ensemble, any_channels=any_channels, value_range=value_range, **sizes)
    except ValueError as error:
        raise UsageError(f"--{error}") from error


def sizes_of(args: argparse.Namespace) -> dict[str, Any]:
    """What was given of the flags of `add_size_arguments`."""
    return {name: getattr(args, name) for name in ("memory", "tile") if getattr(args, name) is not None}
