"""Do neighbouring frames as extra input channels pay? Neighbor2Neighbor with 1 frame and with 3, on moving sequences.

Photographs are panned, and discs move over them on their own; each frame has noise of its own. All frames of a window
share the choice of cells, the middle one is the target. Both networks are scored on frames of photographs that neither
was trained on.

    python benchmarks/frames.py KODAK [--steps 300] [--sigma 25] [--pan 0 3]
"""

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from n2n_tf.data.seeds import derive
from n2n_tf.sampling import draw_choice, sub_sample

SIDE, FRAMES, DISCS = 256, 8, 6
HELD_OUT = 4  # photographs
GAMMA = 0.5  # so few steps leave f(y) a poor guide


def sequence(photo: np.ndarray, pan: int, rng: np.random.Generator) -> np.ndarray:
    """Clean frames [FRAMES, SIDE, SIDE]: panned by 1 to `pan` pixels, discs by up to 3 (0: all still)."""
    step = rng.integers(1, pan + 1, 2) * rng.choice((-1, 1), 2) if pan else np.zeros(2, int)
    first = np.array([FRAMES * 3 if each < 0 else 0 for each in step])
    places, radii = rng.uniform(0, SIDE, (DISCS, 2)), rng.uniform(6, 30, DISCS)
    speeds, shades = rng.uniform(-3, 3, (DISCS, 2)) * bool(pan), rng.uniform(0.1, 0.9, DISCS)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    frames = []
    for number in range(FRAMES):
        top, left = first + number * step
        frame = photo[top : top + SIDE, left : left + SIDE].copy()
        for (row, column), radius, shade in zip(places + number * speeds, radii, shades, strict=True):
            frame[np.hypot(rows - row, columns - column) < radius] = shade
        frames.append(frame)
    return np.stack(frames).astype(np.float32)


def network(frames: int, width: int = 24) -> keras.Model:
    """A small U-Net: [B, H, W, frames] -> what it adds to the middle frame, [B, H, W, 1]."""
    image = keras.Input((None, None, frames))

    def convolved(x: keras.KerasTensor, features: int) -> keras.KerasTensor:
        for _ in range(2):
            x = keras.layers.Conv2D(features, 3, padding="same", activation="leaky_relu")(x)
        return x

    fine = convolved(image, width)
    middle = convolved(keras.layers.MaxPooling2D()(fine), 2 * width)
    coarse = convolved(keras.layers.MaxPooling2D()(middle), 2 * width)
    up = keras.layers.Concatenate()([keras.layers.UpSampling2D()(coarse), middle])
    up = keras.layers.Concatenate()([keras.layers.UpSampling2D()(convolved(up, 2 * width)), fine])
    added = keras.layers.Conv2D(1, 3, padding="same")(convolved(up, width))
    return keras.Model(image, keras.layers.Add()([image[..., frames // 2 : frames // 2 + 1], added]))


def windows(noisy: np.ndarray, frames: int) -> np.ndarray:
    """[T, H, W] -> each frame with its neighbours, [T, H, W, frames]; reflected at both ends."""
    reach = frames // 2
    padded = np.pad(noisy, ((reach, reach), (0, 0), (0, 0)), "reflect")
    return np.stack([padded[each : each + len(noisy)] for each in range(frames)], -1)


def trained(noisy: list[np.ndarray], frames: int, steps: int, side: int) -> keras.Model:
    """After `steps` of 4 crops; the same ones for any number of frames."""
    keras.utils.set_random_seed(0)
    model, rng, middle = network(frames), np.random.default_rng(1), slice(frames // 2, frames // 2 + 1)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps))
    given = [windows(each, frames) for each in noisy]

    @tf.function
    def step(batch: tf.Tensor, number: tf.Tensor) -> None:
        choice = draw_choice(batch.shape, derive(0, 0, number))
        target_1, target_2 = sub_sample(model(batch, training=False), choice)
        sub1, sub2 = sub_sample(batch, choice)
        with tf.GradientTape() as tape:
            error = model(sub1, training=True) - sub2[..., middle]
            regular = error - tf.stop_gradient(target_1 - target_2)
            loss = tf.reduce_mean(error**2) + GAMMA * tf.reduce_mean(regular**2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    for number in range(steps):
        crops = []
        for _ in range(4):
            each, at, top, left = rng.integers((len(given), FRAMES, SIDE - side + 1, SIDE - side + 1))
            crops.append(given[each][at, top : top + side, left : left + side])
        step(tf.constant(np.stack(crops)), tf.constant(number))
    return model


def score(model: keras.Model, clean: list[np.ndarray], noisy: list[np.ndarray], frames: int) -> float:
    """Mean PSNR of all frames, in dB."""
    errors = []
    for truth, each in zip(clean, noisy, strict=True):
        denoised = model.predict(windows(each, frames), batch_size=2, verbose=0)[..., 0]
        errors += list(((denoised.clip(0, 1) - truth) ** 2).mean((1, 2)))
    return float(np.mean(-10 * np.log10(errors)))


def main() -> None:
    """Make sequences, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photographs, 304 pixels at least")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--side", type=int, default=64, help="of a crop")
    parser.add_argument("--sigma", type=float, default=25.0)
    parser.add_argument("--pan", type=int, nargs="+", default=[0, 3], help="pixels a frame at most; 0: nothing moves")
    args = parser.parse_args()
    photos = [np.asarray(Image.open(path).convert("L")) / 255 for path in sorted(args.photos.iterdir())]
    print("| pan, pixels a frame | 1 frame, dB | 3 frames, dB |\n|---|---|---|", flush=True)
    for pan in args.pan:
        rng = np.random.default_rng(0)
        clean = [sequence(photo, pan, rng) for photo in photos]
        noisy = [each + rng.normal(0, args.sigma / 255, each.shape).astype(np.float32) for each in clean]
        scores = []
        for frames in (1, 3):
            model = trained(noisy[:-HELD_OUT], frames, args.steps, args.side)
            scores.append(score(model, clean[-HELD_OUT:], noisy[-HELD_OUT:], frames))
        print(f"| {f'1 to {pan}' if pan else 'none'} | {scores[0]:.2f} | {scores[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
