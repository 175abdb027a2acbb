"""`n2n-tf convert`: the authors' PyTorch weights to a .keras file."""

import argparse
import os
from pathlib import Path

from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import RunError, UsageError, gist
from n2n_tf.files import write

HELP = "convert the authors' PyTorch weights (.pth) to a .keras file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument(
        "weights", type=os.path.expanduser, metavar="WEIGHTS.pth", help="state dict of the authors' U-Net"
    )
    parser.add_argument(
        "--output", required=True, type=os.path.expanduser, metavar="FILE.keras", help="the file to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.keras if it exists")


def run(args: argparse.Namespace) -> None:
    """Read, check every shape, write."""
    source, target = Path(args.weights), Path(args.output)
    if not source.is_file():
        raise UsageError(f"{source}: no such file")
    if target.suffix != ".keras":
        raise UsageError(f"--output {target}: wanted a name that ends in .keras")
    if target.exists() and not args.overwrite:
        raise UsageError(f"--output {target}: exists; --overwrite replaces it")
    try:
        import torch
    except ImportError as error:
        raise RunError("PyTorch, which reads .pth files, is not installed: pip install n2n-tf[torch]") from error
    with quiet_import():
        from n2n_tf.networks.authors import from_authors
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)  # executes nothing from the file
    except Exception as error:  # pickle's, zipfile's and PyTorch's errors are many
        raise UsageError(f"{source}: not a file of PyTorch weights: {gist(error)}") from error
    named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UsageError(f"{source}: holds {type(state).__name__}; wanted a state dict, from names to tensors")
    try:
        network = from_authors({name: value.detach().to_dense().float().numpy() for name, value in state.items()})
    except ValueError as error:
        raise RunError(f"{source}: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, lambda temporary: network.save(temporary))
    print(f"{target}: {network.count_params():,} parameters, {network.input_shape[-1]} channels")
