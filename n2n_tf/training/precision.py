"""Which type this machine computes fastest in."""

import logging
import time

import tensorflow as tf

from n2n_tf.config import gist

logger = logging.getLogger(__name__)

ROUNDS = 5
SHAPE, FEATURES = (4, 128, 128), 48  # of a training batch, in the widest layers of the U-Net
WORTH, HOPELESS = 0.9, 2.0  # of float32's time: less is not worth its resolution; nor another round


def fastest() -> str:
    """ "bfloat16" where a convolution and its gradients take less time in it than in float32, else "off"; a second.

    Processors have it with AVX512_BF16 or AMX, GPUs from NVIDIA's Ampere on; elsewhere it can be many times slower.
    """
    try:
        ratio = _ratio()
    except tf.errors.OpError as error:  # none of its kind here
        logger.info("`mixed_precision` off: bfloat16 is not to be had here (%s)", gist(error))
        return "off"
    chosen = "bfloat16" if ratio < WORTH else "off"
    logger.info("`mixed_precision` %s: a convolution takes %.2f of float32's time in bfloat16 here", chosen, ratio)
    return chosen


def _ratio() -> float:
    """Time in bfloat16 to that in float32, the least of some rounds: other work only ever slows."""
    steps = {name: _step(tf.dtypes.as_dtype(name)) for name in ("float32", "bfloat16")}
    times = {name: float("inf") for name in steps}
    for _ in range(ROUNDS):  # in turn
        for name, step in steps.items():
            began = time.perf_counter()
            float(step())
            times[name] = min(times[name], time.perf_counter() - began)
        if times["bfloat16"] > HOPELESS * times["float32"]:
            break
    return times["bfloat16"] / times["float32"]


def _step(dtype: tf.DType) -> tf.types.experimental.GenericFunction:
    """A convolution and its gradients, traced and run once."""
    image = tf.ones([*SHAPE, FEATURES], dtype)
    kernel = tf.ones([3, 3, FEATURES, FEATURES], dtype)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([image, kernel])
            result = tf.nn.conv2d(image, kernel, 1, "SAME")
        return tf.add_n([tf.reduce_sum(tf.cast(each, tf.float32)) for each in tape.gradient(result, [image, kernel])])

    step()
    return step
