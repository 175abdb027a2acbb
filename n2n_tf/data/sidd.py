"""The raw files of SIDD, the Smartphone Image Denoising Dataset (Abdelhamed et al., CVPR 2018).

An image is a mosaic in MATLAB's v7.3 format (HDF5), in which h5py sees it transposed; the blocks of the validation and
the benchmark are in its v5 format. In both, black is 0 and white is 1.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from n2n_tf.config import UsageError, lookup
from n2n_tf.data import mat5
from n2n_tf.formats import bayer
from n2n_tf.formats.dng_levels import CFA_PATTERN
from n2n_tf.formats.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.formats.pixels import check_pixels

PATTERNS = {"G4": "BGGR", "GP": "BGGR", "IP": "RGGB", "N6": "BGGR", "S6": "GRBG"}  # by phone
NAME = re.compile(r"(\d+)_(\d+)_([A-Z0-9]{2})_(\d+)_(\d+)_(\d+)_([LNH])")
NOISY = r".*_NOISY_RAW_.*\.MAT"  # with _GT_ and _METADATA_ beside it
KEY = "x"
V5, V73 = "MATLAB's v5 format", "MATLAB's v7.3 format (HDF5)"
SIGNATURES = {b"MATLAB 5.0": V5, b"MATLAB 7.3": V73, b"\x89HDF": V73}  # the last of files that others than MATLAB wrote
MOST_BYTES = 2**31  # of blocks; those of SIDD have 335 MB


@dataclass(frozen=True)
class Instance:
    """One shot of a scene. Scenes are ten; a split must not put one on both sides.

    Attributes:
        name: instance, scene, phone, ISO, shutter speed, illuminant temperature and brightness, joined by `_`.
    """

    name: str
    scene: str
    phone: str
    iso: int

    @property
    def pattern(self) -> str:
        """Of the phone's mosaics, a name of `bayer.RED`."""
        return PATTERNS[self.phone]


def instance(name: str) -> Instance:
    """What a name tells.

    Raises:
        UsageError: another form, or a phone that is not among `PATTERNS`.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise UsageError(
            f"{name}: no name of a scene instance with a phone code ({', '.join(PATTERNS)}); wanted a form like "
            "0001_001_S6_00100_00060_3200_L"
        )
    lookup(PATTERNS, match[3], f"{name}: phone code")
    return Instance(name, match[2], match[3], int(match[4]))


def read_names(path: str | Path) -> list[Instance]:
    """The scene instances that a text file names, one in a line.

    Raises:
        UsageError: it cannot be read, or a name is none.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`block_names` {path}: cannot be read: {error}") from error
    return [instance(line) for line in lines]


def read_image(path: str | Path) -> np.ndarray:
    """A mosaic, float32 [H, W].

    Raises:
        UnusableImageError: it holds none.
        OSError: it cannot be opened.
    """
    _check_version(path, V73, "images of SIDD")
    try:
        with h5py.File(path, "r") as file:
            if KEY not in file:
                raise UnusableImageError(f"it has no variable {KEY!r}, but {', '.join(file) or 'none'}")
            mosaic = np.ascontiguousarray(_dataset(file)[()].astype(np.float32).T)
    except (UnusableImageError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes HDF5 raise OSError, KeyError, RuntimeError and more
        raise UnusableImageError(f"cannot be decoded: {error}") from error
    check_pixels(mosaic)
    return mosaic


def _dataset(file: h5py.File) -> h5py.Dataset:
    """The mosaic, if it lies in the file itself and is no larger than it says."""
    data = file[KEY]
    if not isinstance(data, h5py.Dataset) or data.ndim != 2 or data.dtype.kind != "f" or min(data.shape) < 3:
        raise UnusableImageError(f"its {KEY!r} is {data}; wanted a mosaic of floats, [H, W]")
    if max(data.size, math.prod(data.chunks or ())) > MAX_PIXELS:
        raise UnusableImageError(f"{data.shape[0]}×{data.shape[1]} pixels; at most {MAX_PIXELS} are read")
    if data.external or data.is_virtual or not isinstance(file.get(KEY, getlink=True), h5py.HardLink):
        raise UnusableImageError(f"its {KEY!r} lies in another file")
    return data


def read_blocks(path: str | Path) -> np.ndarray:
    """The blocks of the validation or of the benchmark, float32 [instances, blocks, H, W].

    Raises:
        UnusableImageError: it holds none.
        OSError: it cannot be opened.
    """
    _check_version(path, V5, "blocks of SIDD")
    return mat5.read_blocks(path, MOST_BYTES)


def metadata_pattern(path: str | Path) -> str | None:
    """The pattern that a metadata file tells, a name of `bayer.RED`; None if it tells none.

    Raises:
        OSError: it cannot be opened.
    """
    with open(path, "rb"):
        pass
    try:
        letters = "".join("RGB"[index] for index in mat5.read_tag(path, CFA_PATTERN))
    except (UnusableImageError, IndexError, TypeError):  # of another form
        return None
    return letters if letters in bayer.RED else None


def _check_version(path: str | Path, wanted: str, what: str) -> None:
    with open(path, "rb") as file:
        first = file.read(16)
    found = next((version for begin, version in SIGNATURES.items() if first.startswith(begin)), "no MATLAB file")
    if found != wanted:
        raise UnusableImageError(f"it is {found}; {what} come in {wanted}")
