"""Files of the form of SIDD's, from one raw photograph, where the dataset itself cannot be had.

    python benchmarks/sidd_form.py PHOTO.dng FOLDER [--blocks N]

The clean mosaic is the photograph's, smoothed lightly in each colour; a phone's begins in the phase of its pattern. The
noise is heteroscedastic, its variance a·x + b with a rising with the ISO, rounded to 10 bits and clipped as SIDD's is.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from scipy.ndimage import gaussian_filter

from n2n_tf.data import sidd
from n2n_tf.formats import bayer, raw

SHOT, READ = 4.8e-6, 1e-6  # a for each ISO, as in the metadata of a Galaxy S6; b
LEVELS = 1023
SIZE = (3000, 5328)  # of a Galaxy S6
HEADER = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Thu Sep 27 10:48:01 2018 HDF5 schema 1.00 ."
INSTANCES = [
    f"{number:04d}_{scene:03d}_{phone}_{iso:05d}_00100_3200_N"
    for number, (scene, (phone, iso)) in enumerate(
        itertools.product((1, 2), [("S6", 800), ("GP", 1600), ("IP", 400), ("N6", 3200), ("G4", 800)]), 1
    )
]


def clean_mosaic(path: str | Path) -> np.ndarray:
    """The photograph's mosaic, smoothed with σ 1 in each colour, in [0, 1]; it begins with red."""
    planes = raw.read(path)
    smooth = np.clip(gaussian_filter(planes, (1, 1, 0)), 0, 1)
    return bayer.unpack(smooth, "RGGB", *(2 * side for side in smooth.shape[:2]))


def in_pattern(mosaic: np.ndarray, pattern: str, size: tuple[int, int]) -> np.ndarray:
    """A mosaic of this size, continued by mirroring, whose first pixels have this pattern."""
    top, left = bayer.RED[pattern]
    first = mosaic[top:, left:]  # one pixel on, the colours of the next phase
    more = [(0, max(0, wanted - side)) for wanted, side in zip(size, first.shape, strict=True)]
    return np.pad(first, more, "reflect")[: size[0], : size[1]]


def noisy(clean: np.ndarray, iso: int, generator: np.random.Generator) -> np.ndarray:
    """With heteroscedastic noise, in steps of 1/1023."""
    sigma = np.sqrt(SHOT * iso * clean + READ)
    values = clean + sigma * generator.standard_normal(clean.shape, np.float32)
    return (np.round(np.clip(values, 0, 1) * LEVELS) / LEVELS).astype(np.float32)


def write_image(path: Path, mosaic: np.ndarray) -> None:
    """A MAT file in v7.3, the mosaic transposed as MATLAB stores it."""
    with h5py.File(path, "w", userblock_size=512) as file:
        data = file.create_dataset("x", data=mosaic.T, dtype="f4", chunks=True, compression="gzip", compression_opts=3)
        data.attrs["MATLAB_class"] = np.bytes_("single")
    with path.open("r+b") as file:
        file.write(HEADER.ljust(124) + b"\0\2IM")


def write_metadata(path: Path, pattern: str) -> None:
    """A MAT file in v5 with the tags of the DNG's colour filter."""
    tags = np.zeros((2, 1), [("ID", object), ("Offset", object), ("Value", object)])
    letters = ["RGB".index(letter) for letter in pattern]
    for row, (code, value) in enumerate(((33421, [2, 2]), (33422, letters))):
        tags[row, 0] = np.array([[code]], np.uint16), np.zeros((1, 1), np.uint8), np.array([value], np.uint8)
    scipy.io.savemat(path, {"metadata": {"UnknownTags": tags}})


def write_instance(folder: Path, name: str, mosaic: np.ndarray, size: tuple[int, int], seed: int) -> None:
    """Noisy, clean and metadata files of a scene instance."""
    instance, number = sidd.instance(name), name.partition("_")[0]
    (folder / name).mkdir(parents=True)
    clean = in_pattern(mosaic, instance.pattern, size)
    write_image(folder / name / f"{number}_GT_RAW_010.MAT", clean)
    write_image(folder / name / f"{number}_NOISY_RAW_010.MAT", noisy(clean, instance.iso, np.random.default_rng(seed)))
    write_metadata(folder / name / f"{number}_METADATA_RAW_010.MAT", instance.pattern)


def blocks(names: list[str], mosaic: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean blocks of 256×256 from places drawn at random, [instances, blocks, 256, 256]."""
    generator = np.random.default_rng(seed)

    def drawn() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for name in names:
            instance = sidd.instance(name)
            whole = in_pattern(mosaic, instance.pattern, (mosaic.shape[0] - 2, mosaic.shape[1] - 2))
            for _ in range(count):
                top, left = (2 * int(generator.integers((side - 256) // 2 + 1)) for side in whole.shape)
                clean = whole[top : top + 256, left : left + 256]
                yield noisy(clean, instance.iso, generator), clean

    noisy_blocks, clean_blocks = (np.stack(each).astype(np.float32) for each in zip(*drawn(), strict=True))
    shape = len(names), count, 256, 256
    return noisy_blocks.reshape(shape), clean_blocks.reshape(shape)


def write_blocks(folder: Path, names: list[str], mosaic: np.ndarray, count: int) -> None:
    """The block files of validation and benchmark, and the names of their scene instances."""
    for kind, seed in (("Validation", 1), ("Benchmark", 2)):
        pair = dict(zip(("Noisy", "Gt"), blocks(names, mosaic, count, seed), strict=True))
        for side, array in pair.items():
            if (kind, side) != ("Benchmark", "Gt"):  # which nobody but the benchmark has
                scipy.io.savemat(folder / f"{kind}{side}BlocksRaw.mat", {f"{kind}{side}BlocksRaw": array})
    (folder / "NAMES.txt").write_text("\n".join(names) + "\n")


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photo", help="Bayer raw file")
    parser.add_argument("folder", type=Path, help="made here")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("H", "W"), help="of the images")
    parser.add_argument("--blocks", type=int, default=32, metavar="N", help="of each instance; SIDD has 32")
    args = parser.parse_args()
    mosaic = clean_mosaic(args.photo)
    for seed, name in enumerate(INSTANCES):
        write_instance(args.folder / "Data", name, mosaic, tuple(args.size), seed)
        print(name)
    names = [INSTANCES[number % len(INSTANCES)] for number in range(40)]
    write_blocks(args.folder, sorted(names), mosaic, args.blocks)


if __name__ == "__main__":
    main()
