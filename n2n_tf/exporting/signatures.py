"""The functions of the SavedModel: padding, scaling, decoding and encoding inside the graph. No Python at run time."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config.kinds import MOSAIC
from n2n_tf.formats import bayer
from n2n_tf.inference import kind_of_network, range_of

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # first bytes
IHDR = b"\0\0\0\rIHDR"  # follows them in a PNG
PNG_HEADER = 26  # bytes up to the colour type

Integers = Callable[[tf.Tensor, int], tf.Tensor]  # image, its largest value -> the same
Signature = tuple[Callable[..., dict[str, tf.Tensor]], tuple[tf.TensorSpec, ...]]  # what it does, what it takes


def signatures(network: keras.Model, multiple: int, max_pixels: int) -> dict[str, Signature]:
    """Signature name -> function and the inputs that it takes; the first is the default.

    Args:
        network: float32 [B, H, W, C] -> the same, H and W multiples of `multiple`; in [0, 1], or with a value range
            inside: then numbers of all types are taken and given as they are.
        multiple: what sides are padded to, by reflection.
        max_pixels: that the network gets at most in one run, sides rounded up; of a file, also before it is decoded.
    """
    channels = network.input_shape[-1]
    ranged = range_of(network) is not None

    image = [None, None, None, channels]
    # one graph of the network, that all signatures call
    denoised = tf.function(lambda image: network(image, training=False), autograph=False).get_concrete_function(
        tf.TensorSpec(image, tf.float32)
    )

    def unit(image: tf.Tensor) -> tf.Tensor:
        # servers do not compare shapes with the signature, and a convolution of another rank aborts the process
        image = tf.ensure_shape(image, [None, None, None, channels])
        some = tf.debugging.Assert(tf.size(image) > 0, ["image is empty, of shape", tf.shape(image)], summarize=4)
        with tf.control_dependencies([some]):
            image = tf.identity(image)
        batch, height, width = tf.unstack(tf.shape(image)[:3])
        padded_height, padded_width = _rounded_up(height, multiple), _rounded_up(width, multiple)
        with tf.control_dependencies([_few([batch, padded_height, padded_width], max_pixels, "image")]):
            padded = tf.gather(image, _mirrored(height, 0, padded_height), axis=1)
        padded = tf.gather(padded, _mirrored(width, 0, padded_width), axis=2)
        return denoised(padded)[:, :height, :width]

    def integers(image: tf.Tensor, peak: int) -> tf.Tensor:
        if ranged:  # they go in as they are
            denoised = tf.clip_by_value(unit(tf.cast(image, tf.float32)), 0.0, float(peak))
            return tf.cast(tf.floor(denoised + 0.5), image.dtype)
        # x / 255 is compiled to x · (1/255), which differs; a table does not
        table = tf.constant(np.arange(peak + 1, dtype=np.float32) / np.float32(peak))
        scaled = tf.clip_by_value(unit(tf.gather(table, tf.cast(image, tf.int32))), 0.0, 1.0)
        return tf.cast(tf.floor(scaled * float(peak) + 0.5), image.dtype)

    found: dict[str, Signature] = {
        "serving_default": (lambda image: {"denoised": unit(image)}, (tf.TensorSpec(image, tf.float32, "image"),)),
        "uint8": (lambda image: {"denoised": integers(image, 255)}, (tf.TensorSpec(image, tf.uint8, "image"),)),
    }
    if channels in (1, 3):  # what a PNG or JPEG can hold
        found["encoded"] = _encoded(channels, multiple, max_pixels, integers)
    if kind_of_network(network) == MOSAIC:
        found["mosaic"] = _mosaics(unit)
    return found


def _encoded(channels: int, multiple: int, max_pixels: int, integers: Integers) -> Signature:
    def files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def encoded(data: tf.Tensor) -> tf.Tensor:
            return _file(data, channels, multiple, max_pixels, integers)

        kind = tf.TensorSpec([], tf.string)
        # one after the other, so that a batch takes the memory of one image
        return {"denoised_bytes": tf.map_fn(encoded, image_bytes, parallel_iterations=1, fn_output_signature=kind)}

    return files, (tf.TensorSpec([None], tf.string, "image_bytes"),)


def _mosaics(unit: Callable[[tf.Tensor], tf.Tensor]) -> Signature:
    def mosaics(mosaic: tf.Tensor, pattern: tf.Tensor) -> dict[str, tf.Tensor]:
        mosaic, pattern = tf.ensure_shape(mosaic, [None, None, None, 1]), tf.ensure_shape(pattern, [None])
        same = tf.debugging.Assert(tf.equal(tf.shape(mosaic)[0], tf.size(pattern)), ["wanted one pattern a mosaic"])
        with tf.control_dependencies([same]):
            inputs = (mosaic, tf.identity(pattern))
        kind = tf.TensorSpec([None, None, 1], tf.float32)

        def denoised(each: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            return _mosaic(each[0], each[1], unit)

        return {"denoised": tf.map_fn(denoised, inputs, parallel_iterations=1, fn_output_signature=kind)}

    shapes = ([None, None, None, 1], tf.float32, "mosaic"), ([None], tf.string, "pattern")
    return mosaics, tuple(tf.TensorSpec(*shape) for shape in shapes)


def _mosaic(mosaic: tf.Tensor, pattern: tf.Tensor, unit: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """A mosaic [H, W, 1] through its planes; as `bayer.pack` and `bayer.unpack`."""
    is_named = tf.equal(pattern, list(bayer.RED))
    height, width = tf.unstack(tf.shape(mosaic)[:2])
    checks = [
        tf.debugging.Assert(tf.reduce_any(is_named), ["pattern is", pattern, "wanted", ", ".join(bayer.RED)]),
        tf.debugging.Assert(tf.minimum(height, width) >= 2, ["mosaic has sides", height, width, "wanted 2 at least"]),
    ]
    with tf.control_dependencies(checks):
        top, left = tf.unstack(tf.gather(tf.constant(list(bayer.RED.values())), tf.argmax(is_named)))
    whole = tf.gather(mosaic, _mirrored(height, -top, _rounded_up(height + top, 2)), axis=0)
    whole = tf.gather(whole, _mirrored(width, -left, _rounded_up(width + left, 2)), axis=1)
    denoised = tf.nn.depth_to_space(unit(tf.nn.space_to_depth(whole[None], 2)), 2)[0]
    return denoised[top : top + height, left : left + width]


def _file(data: tf.Tensor, channels: int, multiple: int, max_pixels: int, integers: Integers) -> tf.Tensor:
    """Bytes of a PNG or JPEG -> bytes of a PNG of the same depth, through `integers`."""
    with tf.control_dependencies(_checks(data, multiple, max_pixels)):
        data = tf.identity(data)
    is_png = tf.equal(tf.strings.substr(data, 0, len(PNG)), PNG)
    is_deep = tf.logical_and(is_png, tf.equal(_header(data)[24], 16))

    def through(decoded: tf.Tensor, peak: int) -> tf.Tensor:
        return tf.io.encode_png(integers(decoded[None], peak)[0])

    def shallow() -> tf.Tensor:
        decoded = tf.cond(
            is_png,
            lambda: tf.io.decode_png(data, channels),
            lambda: tf.io.decode_jpeg(data, channels, dct_method="INTEGER_ACCURATE"),
        )
        return through(tf.ensure_shape(decoded, [None, None, channels]), 255)

    return tf.cond(is_deep, lambda: through(tf.io.decode_png(data, channels, tf.uint16), 65535), shallow)


def _mirrored(length: tf.Tensor, first: tf.Tensor | int, count: tf.Tensor) -> tf.Tensor:
    """Indices of an axis continued by reflection at its ends, as NumPy's `reflect`; also where it is shorter than that.

    They begin at `first`, which may be negative, and are `count` in number.
    """
    period = tf.maximum(2 * (length - 1), 1)
    places = tf.abs(tf.range(first, first + count)) % period
    return tf.where(places < length, places, period - places)


def _rounded_up(length: tf.Tensor, multiple: int) -> tf.Tensor:
    return (length + multiple - 1) // multiple * multiple


def _checks(data: tf.Tensor, multiple: int, max_pixels: int) -> list[tf.Operation]:
    """Refuse what is no PNG or JPEG, and what is too large, from the first bytes."""
    is_png = tf.equal(tf.strings.substr(data, 0, len(PNG)), PNG)
    is_jpeg = tf.equal(tf.strings.substr(data, 0, len(JPEG)), JPEG)
    known = tf.debugging.Assert(
        tf.logical_or(is_png, is_jpeg), ["image_bytes is neither a PNG nor a JPEG file, by its first bytes"]
    )
    # another chunk before it could carry other sizes than the image has
    headed = tf.logical_and(
        tf.equal(tf.strings.substr(data, 0, len(PNG + IHDR)), PNG + IHDR), tf.strings.length(data) >= PNG_HEADER
    )
    whole = tf.debugging.Assert(
        tf.logical_or(is_jpeg, headed), ["image_bytes is a PNG that does not begin with its whole header"]
    )
    with tf.control_dependencies([known, whole]):
        sides = tf.cond(is_png, lambda: _png_sides(data), lambda: tf.image.extract_jpeg_shape(data, tf.int64)[:2])
    possible = tf.debugging.Assert(
        tf.reduce_all(tf.logical_and(sides >= 1, sides < 2**31)), ["image_bytes has sides of", sides, "pixels"]
    )
    return [known, whole, possible, _few(_rounded_up(sides, multiple), max_pixels, "image_bytes")]


def _few(sides: tf.Tensor | list[tf.Tensor], max_pixels: int, name: str) -> tf.Operation:
    """Refuse more pixels than that, as the network gets them: each takes over a kilobyte of memory."""
    pixels = tf.reduce_prod(tf.cast(sides, tf.int64))
    text = [name, "has", pixels, "pixels, sides rounded up; at most", max_pixels, "are accepted"]
    return tf.debugging.Assert(pixels <= max_pixels, text)


def _png_sides(data: tf.Tensor) -> tf.Tensor:
    numbers = tf.reshape(tf.cast(_header(data)[16:24], tf.int64), [2, 4])
    return tf.reduce_sum(numbers * tf.constant([2**24, 2**16, 2**8, 1], tf.int64), axis=1)


def _header(data: tf.Tensor) -> tf.Tensor:
    """The first bytes, uint8 [PNG_HEADER]; zeros where the file ends before."""
    return tf.io.decode_raw(tf.strings.substr(data, 0, PNG_HEADER), tf.uint8, fixed_length=PNG_HEADER)
