"""`n2n-tf convert`: weights of the authors' PyTorch code, or of the other Keras, to a .keras file."""

import argparse
import os
from pathlib import Path
from typing import Any

from n2n_tf.config import RunError, UsageError, gist
from n2n_tf.files import write
from n2n_tf.tasks.quiet import quiet_import

HELP = "convert weights (.pth, .weights.h5) to a .keras file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "weights", type=os.path.expanduser, metavar="WEIGHTS",
        help="a .pth file, the state dict of the authors' U-Net (blind spot too), RRG or AP-BSN's DBSNl; or the "
        ".weights.h5 file beside a .keras file",
    )  # fmt: skip
    parser.add_argument(
        "--output", required=True, type=os.path.expanduser, metavar="FILE.keras", help="the file to write"
    )
    parser.add_argument(
        "--network",
        help="of a .weights.h5 file that does not tell: residual_unet, unet, dncnn, blindspot_unet, dbsnl or rrg",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.keras if it exists")


def run(args: argparse.Namespace) -> None:
    """Read, check every shape, write."""
    source, target = Path(args.weights), Path(args.output)
    of_keras = source.name.endswith(".weights.h5")
    if not source.is_file():
        raise UsageError(f"{source}: no such file")
    if not of_keras and source.suffix in (".keras", ".h5"):
        raise UsageError(f"{source}: wanted a .pth file, or the .weights.h5 file beside a .keras file")
    if target.suffix != ".keras":
        raise UsageError(f"--output {target}: wanted a name that ends in .keras")
    if args.network and not of_keras:
        raise UsageError(f"--network {args.network}: {source} tells its network; leave it out")
    with quiet_import():
        from n2n_tf.inference import save_denoiser, weights_beside
        from n2n_tf.weights import from_weights
    beside = weights_beside(target)
    in_place = beside.exists() and beside.samefile(source)
    for file in (target, beside):
        if file.exists() and not args.overwrite and not (in_place and file is beside):
            raise UsageError(f"--output {target}: {file} exists; --overwrite replaces it")
    network = from_weights(source, args.network) if of_keras else _of_the_authors(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if in_place:
        write(target, network.save)
    else:
        save_denoiser(network, target)
    print(f"{target}: {network.count_params():,} parameters, {network.input_shape[-1]} channels")


def _of_the_authors(source: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise RunError("PyTorch, which reads .pth files, is not installed: pip install n2n-tf[torch]") from error
    from n2n_tf.networks.authors import from_authors

    try:
        state = torch.load(source, map_location="cpu", weights_only=True)  # executes nothing from the file
    except Exception as error:  # pickle's, zipfile's and PyTorch's errors are many
        raise UsageError(f"{source}: not a file of PyTorch weights: {gist(error)}") from error
    named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UsageError(f"{source}: holds {type(state).__name__}; wanted a state dict, from names to tensors")
    try:
        return from_authors({name: value.detach().to_dense().float().numpy() for name, value in state.items()})
    except ValueError as error:
        raise RunError(f"{source}: {error}") from error
