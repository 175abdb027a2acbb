"""Makes the weights that come with the package of trained denoisers, in half precision, and says what that costs.

    python benchmarks/shipping.py RUN n2n_tf/weights/blind.weights.h5 --test KODAK
    python benchmarks/shipping.py RUN gray.keras --gray

PSNR in dB over the images of a folder, σ 25, one draw, before and after; and how far the means of 32×32 blocks are from
the clean image's, noisy and denoised, in 8-bit steps: wrong colours. With --gray a denoiser of gray images is made of
one of colours, which takes them as three equal channels: a start to train from.
"""

import argparse
import sys
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import h5py
    import keras
    import numpy as np
    from networks import score

    from n2n_tf.data.images import find_images
    from n2n_tf.evaluation.protocol import Paper, TestSet, evaluate
    from n2n_tf.files import write
    from n2n_tf.inference import Denoiser, save_denoiser, weights_beside
    from n2n_tf.networks import NETWORKS
    from n2n_tf.noise import Gaussian
    from n2n_tf.weights import from_weights, load_denoiser


def main() -> None:
    """Convert, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--test", help="images to score on, of its channels")
    parser.add_argument("--gray", action="store_true")
    args = parser.parse_args()
    if args.gray:
        return save_denoiser(grayed(load_denoiser(args.run)), args.target)
    source = weights_beside(args.run / "denoiser.keras")
    write(args.target, lambda temporary: halve(source, temporary))
    print(f"{args.target}: {args.target.stat().st_size / 1e6:.2f} MB")
    if args.test:
        print("| | PSNR, dB | blocks off by, rms | largest |\n|---|---|---|---|")
        half = from_weights(args.target)
        test = TestSet("", find_images([args.test], half.input_shape[-1]).pages, Gaussian(25 / 255))
        denoisers = {"noisy": np.copy, "whole": Denoiser(from_weights(source)), "half": Denoiser(half)}
        for name, denoiser in denoisers.items():
            decibels, rms, largest = score(list(evaluate([test], {"": denoiser}, Paper())))
            print(f"| {name} | {decibels:.3f} | {rms:.2f} | {largest:.1f} |")


def halve(source: Path, target: Path) -> None:
    """The same file, its numbers as float16."""
    with h5py.File(source) as whole, h5py.File(target, "w") as half:
        half.attrs.update(dict(whole.attrs))

        def copy(name: str, item: h5py.Dataset | h5py.Group) -> None:
            data = isinstance(item, h5py.Dataset)
            new = half.create_dataset(name, data=item[()].astype(np.float16)) if data else half.require_group(name)
            new.attrs.update(dict(item.attrs))

        whole.visititems(copy)


def grayed(network: keras.Model) -> keras.Model:
    """What it makes of three equal channels, their mean."""
    gray = NETWORKS["residual_unet"](1)
    for layer, other in zip(gray.layers, network.layers, strict=True):
        weights = other.get_weights()
        for place, (wanted, weight) in enumerate(zip(layer.get_weights(), weights, strict=True)):
            if weight.ndim == 4 and wanted.shape[2] == weight.shape[2] - 2:  # the image, alone or behind features
                weight = np.concatenate([weight[:, :, :-3], weight[:, :, -3:].sum(2, keepdims=True)], 2)
            if wanted.shape[-1] == 1 and weight.shape[-1] == 3:
                weight = weight.mean(-1, keepdims=True)
            weights[place] = weight
        layer.set_weights(weights)
    return gray


if __name__ == "__main__":
    sys.exit(main())
