"""Is the exported model the network? Asked through the loader that TensorFlow Serving uses."""

import io
from pathlib import Path

import imagecodecs
import keras
import numpy as np
from PIL import Image

from n2n_tf.config import RunError
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.formats import bayer
from n2n_tf.inference import Denoiser
from n2n_tf.value_range import UNIT

SIZES = ((1, 1), (1, 7), (33, 65), (64, 32), (130, 97))  # height, width
CLOSE = 1e-5  # largest difference of floats, of the value range


def check(network: keras.Model, path: Path) -> dict[str, float]:
    """Compare every signature with the live network: floats within 1e-5 of its range, integers and files exactly.

    Returns:
        Largest difference, by signature.

    Raises:
        RunError: it differs; the text says where.
    """
    try:
        return _compare(CppModel(path), Denoiser(network))
    except RunError:
        raise
    except RuntimeError as error:
        raise RunError(f"the export does not run in TensorFlow's C++ loader: {error}; nothing was exported") from error


def _compare(exported: CppModel, live: Denoiser) -> dict[str, float]:
    generator = np.random.default_rng(0)
    shown = live.value_range or UNIT
    largest = dict.fromkeys(exported.signatures, 0.0)
    for height, width in SIZES:
        image = generator.integers(0, 256, (height, width, live.channels), np.uint8)
        floats = shown.from_unit(image / 255).astype(np.float32)
        results = {
            "serving_default": (exported.run("serving_default", {"image": floats[None]})["denoised"][0], live(floats)),
            "uint8": (exported.run("uint8", {"image": image[None]})["denoised"][0], live(image)),
        }
        if "encoded" in exported.signatures:
            files = _files(image)
            found = exported.run("encoded", {"image_bytes": np.array(list(files), dtype=object)})["denoised_bytes"]
            for file, (given, result) in enumerate(zip(files.values(), found, strict=True)):
                results[f"encoded, file {file}"] = imagecodecs.png_decode(result), live(given)
        if "mosaic" in exported.signatures and min(height, width) >= 2:
            for pattern in bayer.RED:
                mosaic = floats[..., 0]
                inputs = {"mosaic": mosaic[None, ..., None], "pattern": np.array([pattern.encode()], dtype=object)}
                planes = live(bayer.pack(mosaic, pattern))
                through = exported.run("mosaic", inputs)["denoised"][0, ..., 0]
                results[f"mosaic, {pattern}"] = through, bayer.unpack(planes, pattern, height, width)
        for name, (one, other) in results.items():
            signature = name.partition(",")[0]
            difference = _difference(one, other)
            if signature in ("serving_default", "mosaic"):
                difference /= shown.span
            if not difference <= (CLOSE if signature in ("serving_default", "mosaic") else 0):
                raise RunError(
                    f"the export differs from the network by {difference:g} in {name} at {height}×{width}; "
                    "nothing was exported"
                )
            largest[signature] = max(largest[signature], difference)
    exported.close()
    return largest


def _files(image: np.ndarray) -> dict[bytes, np.ndarray]:
    """PNGs of 8 and 16 bits and a JPEG -> what they hold, [H, W, C]."""
    plain = np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)
    deep = plain.astype(np.uint16) * 257 ^ 3
    jpeg = io.BytesIO()
    Image.fromarray(plain).save(jpeg, "JPEG", quality=90)
    pixels = np.asarray(Image.open(jpeg))
    held = {imagecodecs.png_encode(plain): plain, imagecodecs.png_encode(deep): deep, jpeg.getvalue(): pixels}
    return {bytes(file): array.reshape(image.shape) for file, array in held.items()}


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape[:2] != other.shape[:2] or one.dtype != other.dtype:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other.reshape(one.shape).astype(np.float64)).max())
