"""What `speed.py` times: each contestant lives in a process of its own and does one piece of work when told."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.tasks.quiet import quiet_import

GAMMA, LEARNING_RATE = 1.0, 3e-4

Work = Callable[[], object]


def tensorflow_step(size: tuple[int, ...], jit_compile: bool, bfloat16: bool = False) -> Work:
    """Our train step on one batch, as `fit` runs it."""
    import keras

    from n2n_tf.methods import Neighbor2Neighbor
    from n2n_tf.networks import unet

    if bfloat16:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = Neighbor2Neighbor(unet(size[-1], seed=0), gamma=GAMMA)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), jit_compile=jit_compile)
    noisy = np.random.default_rng(0).random(size, np.float32)
    return lambda: model.train_on_batch(noisy)


def tensorflow_inference(size: tuple[int, ...]) -> Work:
    """Our `Denoiser`, with its default memory budget: large images go in tiles."""
    from n2n_tf.inference import Denoiser
    from n2n_tf.networks import unet

    denoiser = Denoiser(unet(size[-1], seed=0))
    image = np.random.default_rng(0).random(size[1:], np.float32)
    return lambda: denoiser(image)


def tensorflow_sampler(size: tuple[int, ...]) -> Work:
    """Our sub-sampler, drawn once and applied to y and f(y)."""
    import tensorflow as tf

    from n2n_tf.sampling import draw_choice, sub_sample

    noisy = tf.constant(np.random.default_rng(0).random(size, np.float32))

    @tf.function(autograph=False)
    def sample(image: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        choice = draw_choice(image.shape, seed)
        return *sub_sample(image, choice), *sub_sample(1 - image, choice)

    return lambda: sample(noisy, tf.constant([0, 1]))[0].numpy()


def tensorflow_matmul(side: int) -> Work:
    """A product of square matrices."""
    import tensorflow as tf

    matrix = tf.random.uniform([side, side])
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    return lambda: product().numpy()


def torch_step(size: tuple[int, ...], channels_last: bool, compiled: bool, bfloat16: bool = False) -> Work:
    """The twin's train step; its convolutions in bfloat16 where that is told, as ours are then."""
    import torch
    import twin

    network, noisy = _twin(size, channels_last)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    used = torch.compile(network) if compiled else network

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return twin.train_step(used, optimizer, noisy, twin.draw(noisy), GAMMA)

    return step


def torch_inference(size: tuple[int, ...], channels_last: bool, compiled: bool) -> Work:
    """The twin's network on a whole image."""
    import torch

    network, noisy = _twin(size, channels_last)
    used = torch.compile(network) if compiled else network

    def denoise() -> np.ndarray:
        with torch.inference_mode():
            return used(noisy).numpy()

    return denoise


def torch_sampler(size: tuple[int, ...]) -> Work:
    """The twin's sub-sampler, as `tensorflow_sampler`."""
    import torch
    import twin

    noisy = torch.from_numpy(np.random.default_rng(0).random((size[0], size[3], *size[1:3]), np.float32))

    def sample() -> float:
        mask1, mask2 = twin.masks(twin.draw(noisy))
        return sum(
            float(twin.sub_image(each, mask)[0, 0, 0, 0]) for each in (noisy, 1 - noisy) for mask in (mask1, mask2)
        )

    return sample


def torch_matmul(side: int) -> Work:
    """A product of square matrices."""
    import torch

    matrix = torch.rand(side, side)
    return lambda: matrix @ matrix


def copy(size: tuple[int, ...]) -> Work:
    """A copy of an array that no cache holds, for the bandwidth of memory."""
    source = np.ones(size, np.float32)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def _twin(size: tuple[int, ...], channels_last: bool) -> tuple[Any, Any]:
    import torch
    import twin

    network = twin.UNet(size[-1])
    noisy = torch.from_numpy(np.random.default_rng(0).random((size[0], size[3], *size[1:3]), np.float32))
    if channels_last:
        network, noisy = network.to(memory_format=torch.channels_last), noisy.to(memory_format=torch.channels_last)
    return network, noisy


def serve(connection: Connection, make: str, arguments: tuple) -> None:
    """Do the work once for each message; answer with seconds, at the end with the peak of memory above the start's."""
    with quiet_import():
        import tensorflow as tf  # both libraries, so that what they occupy does not count
        import torch

    torch.manual_seed(0)
    tf.constant(0)
    base = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    try:
        work = globals()[make](*arguments)
        work()
        work()
        connection.send(None)
    except Exception as error:  # torch.compile wants a compiler, for instance
        connection.send(f"{type(error).__name__}: {error}".splitlines()[0])
        return
    while connection.recv():
        began = time.perf_counter()
        work()
        connection.send(time.perf_counter() - began)
    connection.send(_resident("VmHWM") - base)


def _resident(name: str) -> float:
    """GB of resident memory: now, VmRSS, or at its peak, VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(name))
