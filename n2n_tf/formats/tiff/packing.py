"""Integers of fewer bits than bytes have: rows of bits, each row begun on a byte, as TIFF has them."""

import numpy as np

ROWS = 64  # at a time: a bit takes a byte meanwhile


def packed(numbers: np.ndarray, bits: int) -> bytes:
    """The lowest bits of unsigned integers [H, W] or [H, W, C], the highest of them first.

    imagecodecs does this since 2026.3.6; that is too new to ask for.
    """
    rows = numbers.reshape(len(numbers), -1)
    return b"".join(_packed(rows[begin : begin + ROWS], bits) for begin in range(0, len(rows), ROWS))


def _packed(rows: np.ndarray, bits: int) -> bytes:
    size = rows.dtype.itemsize
    as_bytes = rows.astype(f">u{size}").view(np.uint8).reshape(*rows.shape, size)
    lowest = np.unpackbits(as_bytes, axis=-1)[..., -bits:]
    return np.packbits(lowest.reshape(len(rows), -1), axis=-1).tobytes()
