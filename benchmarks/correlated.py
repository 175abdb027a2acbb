"""Noise that neighbours share: which way of training on noisy images alone gets furthest in the same time?

Camera pictures of known truth (benchmarks/camera.py: demosaiced, gamma, JPEG) are trained on, and denoised. A teacher
may need something at test time; a plain student then learns from its results, made noisy again with the noise that was
measured, for a third of the time. Time is that of the processor: other work beside it costs nothing.

    python benchmarks/correlated.py --photographs KODAK --output DIR [--gain A] [--read S] [--seconds N] [CANDIDATE ...]

With --blurred SIGMA the noise is Gaussian of that σ through a filter, and there is no camera.
"""

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from n2n_tf.tasks.quiet import quiet_import

with quiet_import():
    import keras
    import numpy as np
    import tensorflow as tf
    from camera import camera_pairs, save
    from meters import KERNELS, drawn, filtered
    from PIL import Image

    from n2n_tf.data.images import find_images
    from n2n_tf.data.pipeline import Recipe, training_batches
    from n2n_tf.data.settings import CropSettings
    from n2n_tf.evaluation.metrics import psnr, ssim
    from n2n_tf.inference import Denoiser
    from n2n_tf.meter import METERS
    from n2n_tf.meter.correlation import distance_of
    from n2n_tf.methods import Neighbor2Neighbor, Renoised
    from n2n_tf.methods.base import Method, squared
    from n2n_tf.networks import NETWORKS
    from n2n_tf.noise.measured import MeasuredNoise
    from n2n_tf.sampling import Neighbors, put_together, taken_apart

Denoise = Callable[[np.ndarray], np.ndarray]
STUDENT = 1 / 3  # of the time
BATCH, SIDE = 4, 128


class Masked(Method):
    """Half of the pixels, of all channels, are zero; L1 there. On images of every fifth pixel (AMSNet, ECCV 2024)."""

    factor = divides = 5

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple:
        image = taken_apart(noisy, (self.factor, self.factor))
        seed = tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        hidden = tf.cast(tf.random.stateless_uniform([*image.shape[:3], 1], seed) < 0.5, tf.float32)
        off = tf.abs(tf.cast(self.network(image * (1 - hidden), training=True), tf.float32) - image) * hidden
        return {"loss": tf.reduce_sum(off) / (3 * tf.reduce_sum(hidden))}, None


class Student(Renoised):
    """Of results that came some other way, beside the noisy images."""

    wants_second = True
    second = "target"

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple:
        if self.noise:
            noisy = self.noise.added(second, self.drawn(noisy, self._normal))
        return {"loss": squared(tf.cast(self.network(noisy, training=True), tf.float32) - second)}, None


def in_parts(factor: int) -> Callable[[keras.Model], Denoise]:
    """Each image of every factor-th pixel alone."""

    def denoiser(network: keras.Model) -> Denoise:
        one = Denoiser(network)

        def denoise(image: np.ndarray) -> np.ndarray:
            sides = [-(-side // factor) * factor - side for side in image.shape[:2]]
            padded = np.pad(image, [(0, sides[0]), (0, sides[1]), (0, 0)], "reflect")
            parts = one(taken_apart(tf.constant(padded[None]), (factor, factor)).numpy())
            return put_together(tf.constant(parts), (factor, factor))[0].numpy()[: image.shape[0], : image.shape[1]]

        return denoise

    return denoiser


def with_masks(factor: int) -> Callable[[keras.Model], Denoise]:
    """A random mask and its complement, each prediction where its input was hidden."""

    def denoiser(network: keras.Model) -> Denoise:
        one, random = Denoiser(network), np.random.default_rng(0)

        def denoise(image: np.ndarray) -> np.ndarray:
            parts = taken_apart(tf.constant(image[None]), (factor, factor)).numpy()
            hidden = (random.random((*parts.shape[:3], 1)) < 0.5).astype(np.float32)
            both = one(parts * (1 - hidden)) * hidden + one(parts * hidden) * (1 - hidden)
            return put_together(tf.constant(both), (factor, factor))[0].numpy()

        return denoise

    return denoiser


# how it is trained, how it denoises, and the side of its crops: what leaves the network multiples of 32
CANDIDATES: dict[str, tuple[Callable[[keras.Model], Method], Callable[[keras.Model], Denoise], int]] = {
    "plain": (lambda network: Neighbor2Neighbor(network, 2.0), Denoiser, 128),
    **{
        f"{way} {factor}, gamma {gamma:g}": (
            lambda network, f=factor, g=gamma: Neighbor2Neighbor(network, g, sampler=Neighbors(distance=f)),
            tested(factor), max(2, factor) * 64,
        )
        for factor in (2, 3, 4, 5)
        for gamma in (0.0, 0.5, 2.0)
        for way, tested in (("apart", lambda _: Denoiser), ("in parts of", in_parts))
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
    parser.add_argument("--taught", action="store_true", help="a student without the measured noise, too")
    parser.add_argument("--jpeg", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--blurred", type=float, metavar="SIGMA", help="instead of the camera: noise through a filter")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=600, help="for each, student included")
    args = parser.parse_args()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    if args.blurred:
        pairs = blurred(args.photographs, args.blurred, args.images)
    else:
        pairs = list(camera_pairs(args.photographs, args.gain, args.read, args.images, args.jpeg))
    folder = args.output / "noisy"
    for number, (noisy, _) in enumerate(pairs):
        save(noisy, folder / f"{number:02}.png")
    add(args.output, "noisy", 0, [scored(lambda image: image, pairs)])
    found = METERS["correlation"](noisy for noisy, _ in pairs)
    print("ρ along rows:", found.each[:, 0, 9:14].round(2).tolist(), "apart:", distance_of(found.shared), flush=True)
    noise = MeasuredNoise(found.levels, found.each, found.channels)
    for name in args.candidates:
        build, tested, side = CANDIDATES[name]
        network = NETWORKS["residual_unet"](3)
        alone = name == "plain"
        steps = trained(build(network), batches(folder, side), args.seconds * (1 if alone else 1 - STUDENT))
        teacher = tested(network)
        rows, shown = [scored(teacher, pairs)], [teacher]
        targets = [] if alone else [(noisy, teacher(noisy)) for noisy, _ in pairs]
        for known in () if alone else ((None, noise) if args.taught else (noise,)):
            student = NETWORKS["residual_unet"](3)
            student.set_weights(network.get_weights())
            trained(Student(student, network, known), crops(targets), args.seconds * STUDENT)
            shown.append(Denoiser(student))
            rows.append(scored(shown[-1], pairs))
            student.save(args.output / f"{name}, {'renoised' if known else 'taught'}.keras")
        picture(args.output / f"{name}.png", pairs[4 % len(pairs)], *shown)
        add(args.output, name, steps, rows)


def blurred(folder: Path, sigma: float, images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(noisy, clean), of 8 bits as files are."""
    paths = sorted(folder.glob("*.png"))[:images]
    clean = [np.asarray(Image.open(path).convert("RGB"), np.float32) / 255 for path in paths]
    noisy = drawn(clean, filtered(sigma, KERNELS["ρ(1) .83"]))
    return [(np.round(image.clip(0, 1) * 255) / 255, truth) for image, truth in zip(noisy, clean, strict=True)]


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
            yield tuple(np.split(np.stack(stack), 2, -1))

    form = tf.TensorSpec([BATCH, SIDE, SIDE, 3], tf.float32)
    return tf.data.Dataset.from_generator(generate, output_signature=(form, form)).prefetch(2)


def trained(model: Method, data: tf.data.Dataset, seconds: float) -> int:
    """Train for so many seconds of all cores, cosine from 1.5e-3; returns the steps."""
    model.compile(optimizer=keras.optimizers.Adam(1e-3, beta_2=0.99))
    step = tf.function(model.train_step)
    iterator = iter(data)
    step(next(iterator))
    begun, done = time.process_time(), 0
    while (spent := (time.process_time() - begun) / (os.cpu_count() or 1)) < seconds:
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
    shown = [pair[0], *(denoise(pair[0]) for denoise in denoisers), pair[1]]
    save(np.concatenate([image[180:340, 260:460] for image in shown], 1).repeat(2, 0).repeat(2, 1), file)


def add(output: Path, name: str, steps: int, rows: list[tuple[float, float]]) -> None:
    """A row of the table."""
    values = [name, steps, *(f"{value:.3f}" for row in rows for value in row)]
    print(*values, flush=True)
    with (output / "table.csv").open("a", newline="") as file:
        csv.writer(file).writerow(values)


if __name__ == "__main__":
    sys.exit(main())
