"""Noise that neighbours share: which way of training on noisy images alone gets furthest in the same time?

Camera pictures of known truth (benchmarks/camera.py: demosaiced, gamma, JPEG) are trained on, and denoised. A teacher
may need something at test time; a plain student then learns its result from the noisy images, for a third of the time.

    python benchmarks/correlated.py --photographs KODAK --output DIR [--gain A] [--read S] [--seconds N] [CANDIDATE ...]
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path

from n2n_tf.cli.quiet import quiet_import

with quiet_import():
    import keras
    import numpy as np
    import tensorflow as tf
    from camera import camera_pairs
    from PIL import Image

    from n2n_tf.data.images import find_images
    from n2n_tf.data.pipeline import Recipe, training_batches
    from n2n_tf.data.settings import CropSettings
    from n2n_tf.evaluation.metrics import psnr, ssim
    from n2n_tf.inference import Denoiser
    from n2n_tf.meter import METERS
    from n2n_tf.methods.base import Method, squared
    from n2n_tf.methods.neighbor2neighbor import Neighbor2Neighbor
    from n2n_tf.networks import NETWORKS
    from n2n_tf.sampling import Neighbors

Denoise = Callable[[np.ndarray], np.ndarray]
STUDENT = 1 / 3  # of the time
BATCH, SIDE = 4, 128


def apart(image: tf.Tensor, factor: int) -> tf.Tensor:
    """[B, H, W, C] -> [B·factor², H/factor, W/factor, C]: an image of each offset."""
    _, height, width, channels = image.shape
    cut = tf.reshape(image, [-1, height // factor, factor, width // factor, factor, channels])
    return tf.reshape(tf.transpose(cut, [0, 2, 4, 1, 3, 5]), [-1, height // factor, width // factor, channels])


def together(images: np.ndarray, factor: int) -> np.ndarray:
    """The inverse, of one image."""
    _, height, width, channels = images.shape
    split = images.reshape(factor, factor, height, width, channels)
    return split.transpose(2, 0, 3, 1, 4).reshape(height * factor, width * factor, channels)


class Apart(Neighbor2Neighbor):
    """Neighbor2Neighbor on the images of every factor-th pixel, the regularizer's f(y) too."""

    def __init__(self, network: keras.Model, factor: int, gamma: float):
        super().__init__(network, gamma)
        self.factor = factor
        self.divides = 2 * factor

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple:
        return super().losses(apart(noisy, self.factor), None)


class Masked(Method):
    """Half of the pixels, of all channels, are zero; L1 there. On images of every fifth pixel (AMSNet, ECCV 2024)."""

    factor = divides = 5

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple:
        image = apart(noisy, self.factor)
        seed = tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        hidden = tf.cast(tf.random.stateless_uniform([*image.shape[:3], 1], seed) < 0.5, tf.float32)
        off = tf.abs(tf.cast(self.network(image * (1 - hidden), training=True), tf.float32) - image) * hidden
        return {"loss": tf.reduce_sum(off) / (3 * tf.reduce_sum(hidden))}, None


class Student(Method):
    """A plain network learns what a teacher makes of the noisy images."""

    wants_second = True
    second = "target"

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple:
        return {"loss": squared(tf.cast(self.network(noisy, training=True), tf.float32) - second)}, None


def whole(network: keras.Model) -> Denoise:
    """In one pass."""
    return Denoiser(network)


def in_parts(factor: int) -> Callable[[keras.Model], Denoise]:
    """Each image of every factor-th pixel alone."""

    def denoiser(network: keras.Model) -> Denoise:
        one = Denoiser(network)

        def denoise(image: np.ndarray) -> np.ndarray:
            sides = [-(-side // factor) * factor - side for side in image.shape[:2]]
            padded = np.pad(image, [(0, sides[0]), (0, sides[1]), (0, 0)], "reflect")
            parts = one(apart(tf.constant(padded[None]), factor).numpy())
            return together(parts, factor)[: image.shape[0], : image.shape[1]]

        return denoise

    return denoiser


def with_masks(factor: int) -> Callable[[keras.Model], Denoise]:
    """A random mask and its complement, each prediction where its input was hidden."""

    def denoiser(network: keras.Model) -> Denoise:
        one, random = Denoiser(network), np.random.default_rng(0)

        def denoise(image: np.ndarray) -> np.ndarray:
            parts = apart(tf.constant(image[None]), factor).numpy()
            hidden = (random.random((*parts.shape[:3], 1)) < 0.5).astype(np.float32)
            both = one(parts * (1 - hidden)) * hidden + one(parts * hidden) * (1 - hidden)
            return together(both, factor)

        return denoise

    return denoiser


# how it is trained, how it denoises, and the side of its crops: what leaves the network multiples of 32
CANDIDATES: dict[str, tuple[Callable[[keras.Model], Method], Callable[[keras.Model], Denoise], int]] = {
    "plain": (lambda network: Neighbor2Neighbor(network, 2.0), whole, 128),
    **{
        f"distance {factor}, gamma {gamma:g}": (
            lambda network, f=factor, g=gamma: Neighbor2Neighbor(network, g, sampler=Neighbors(distance=f)), whole, 128,
        )
        for factor, gamma in ((2, 0.0), (2, 2.0))
    },
    **{
        f"in parts of {factor}, gamma {gamma:g}": (
            lambda network, f=factor, g=gamma: Apart(network, f, g), in_parts(factor), 64 * factor,
        )
        for factor in (2, 3, 5)
        for gamma in (0.0, 2.0)
    },
    "masked, 5 and 2": (Masked, with_masks(2), 160),
}  # fmt: skip


def main() -> None:
    """Train and score each; one row each in table.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", nargs="*", default=list(CANDIDATES))
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--gain", type=float, default=0.004)
    parser.add_argument("--read", type=float, default=0.004)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=600, help="for each, student included")
    args = parser.parse_args()
    pairs = list(camera_pairs(args.photographs, args.gain, args.read, args.images))
    folder = args.output / "noisy"
    folder.mkdir(parents=True, exist_ok=True)
    for number, (noisy, _) in enumerate(pairs):
        Image.fromarray(np.uint8(noisy * 255 + 0.5)).save(folder / f"{number:02}.png")
    add(args.output, "noisy", 0, [scored(lambda image: image, pairs)])
    rho = METERS["correlation"](noisy for noisy, _ in pairs).rho
    print("ρ along rows:", " ".join(f"{value:.2f}" for value in rho[0, 9:]), flush=True)
    for name in args.candidates:
        build, tested, side = CANDIDATES[name]
        network = NETWORKS["residual_unet"](3)
        steps = trained(build(network), batches(folder, side), args.seconds * (1 - STUDENT))
        teacher = tested(network)
        rows = [scored(teacher, pairs)]
        targets = [(noisy, teacher(noisy)) for noisy, _ in pairs]
        student = NETWORKS["residual_unet"](3)
        student.set_weights(network.get_weights())
        trained(Student(student), crops(targets), args.seconds * STUDENT)
        rows.append(scored(Denoiser(student), pairs))
        student.save(args.output / f"{name}.keras")
        picture(args.output / f"{name}.png", pairs[4 % len(pairs)], teacher, Denoiser(student))
        add(args.output, name, steps, rows)


def batches(folder: Path, side: int) -> tf.data.Dataset:
    """Noisy crops."""
    images = find_images([str(folder)], 3)
    return training_batches(images, Recipe(CropSettings(patch_size=side, batch_size=BATCH), None, 0))


def crops(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tf.data.Dataset:
    """Crops of images and their targets."""
    random = np.random.default_rng(0)

    def generate() -> object:
        while True:
            stack = []
            for number in random.integers(len(pairs), size=BATCH):
                both = np.concatenate(pairs[number], -1)
                top, left = (random.integers(side - SIDE + 1) for side in both.shape[:2])
                crop = both[top : top + SIDE, left : left + SIDE][:: random.choice([-1, 1]), :: random.choice([-1, 1])]
                stack.append(crop)
            batch = np.stack(stack)
            yield batch[..., :3], batch[..., 3:]

    form = tf.TensorSpec([BATCH, SIDE, SIDE, 3], tf.float32)
    return tf.data.Dataset.from_generator(generate, output_signature=(form, form)).prefetch(2)


def trained(model: Method, data: tf.data.Dataset, seconds: float) -> int:
    """Train for so many seconds of this machine, cosine from 1.5e-3; returns the steps."""
    model.compile(optimizer=keras.optimizers.Adam(1e-3, beta_2=0.99))
    step = tf.function(model.train_step)
    iterator = iter(data)
    step(next(iterator))
    begun, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < seconds:
        warm = min(1.0, (done + 1) / 100)
        model.optimizer.learning_rate = 1.5e-3 * warm * 0.5 * (1 + np.cos(np.pi * spent / seconds))
        step(next(iterator))
        done += 1
    return done


def scored(denoise: Denoise, pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Mean PSNR and SSIM of 8 bits."""
    results = [(np.round(np.clip(denoise(noisy), 0, 1) * 255) / 255, clean) for noisy, clean in pairs]
    return tuple(float(np.mean([metric(*pair) for pair in results])) for metric in (psnr, ssim))  # type: ignore


def picture(file: Path, pair: tuple[np.ndarray, np.ndarray], *denoisers: Denoise) -> None:
    """Noisy, denoised, clean: a part, twice as large."""
    middle = np.s_[180:340, 260:460]
    shown = [pair[0], *(denoise(pair[0]) for denoise in denoisers), pair[1]]
    row = np.concatenate([np.clip(image[middle], 0, 1) for image in shown], 1)
    Image.fromarray(np.uint8(row.repeat(2, 0).repeat(2, 1) * 255 + 0.5)).save(file)


def add(output: Path, name: str, steps: int, rows: list[tuple[float, float]]) -> None:
    """A row of the table."""
    values = [name, steps, *(f"{value:.3f}" for row in rows for value in row)]
    print(*values, flush=True)
    with (output / "table.csv").open("a", newline="") as file:
        csv.writer(file).writerow(values)


if __name__ == "__main__":
    sys.exit(main())
