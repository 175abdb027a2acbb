"""What the formats of one encoded image share."""

from pathlib import Path

import numpy as np

QUALITY = 95  # of lossy formats; JPEG without chroma subsampling. The denoised image deserves no new artifacts


def splice(target: Path, encoded: bytes | bytearray, position: int, between: bytes) -> None:
    """Write a file with more in its midst."""
    with open(target, "wb") as file:
        file.write(encoded[:position])
        file.write(between)
        file.write(memoryview(encoded)[position:])


def squeezed(image: np.ndarray) -> np.ndarray:
    """[H, W, 1] -> [H, W]; contiguous, as codecs want it."""
    return np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)
