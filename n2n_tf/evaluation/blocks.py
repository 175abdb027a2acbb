"""SIDD's blocks: test sets of them, and the file that its benchmark takes."""

import base64
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.io

from n2n_tf.config import RunError, UsageError, lookup
from n2n_tf.data import sidd
from n2n_tf.data.finding import reason
from n2n_tf.evaluation.metrics import WINDOW
from n2n_tf.evaluation.paper import SIDD_VALIDATION
from n2n_tf.evaluation.protocol import Denoise, TestSet
from n2n_tf.evaluation.reading import Block
from n2n_tf.files import write
from n2n_tf.formats import bayer
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import check_pixels

KEY = "SubmitRaw"  # of the array in a submission


def read(path: str) -> np.ndarray:
    """Blocks, float32 [instances, blocks, H, W], of even sides.

    Raises:
        RunError: the file holds none.
    """
    try:
        blocks = sidd.read_blocks(path)
        check_pixels(blocks)
    except (UnusableImageError, OSError) as error:
        raise RunError(f"{path}: {reason(error)}") from error
    height, width = blocks.shape[2:]
    if height % 2 or width % 2 or min(height, width) < WINDOW:
        raise RunError(f"{path}: blocks of {height}×{width} pixels; wanted even sides of at least {WINDOW}")
    return blocks


def instances(path: str, count: int, names: str | None, pattern: str | None) -> list[tuple[str, str]]:
    """Phone and pattern of each instance of a file of blocks, which tells neither.

    Args:
        path, count: of the blocks.
        names: a file with the names of the scene instances, in the order of the blocks.
        pattern: of all blocks, instead; the phone is then "".

    Raises:
        UsageError: neither is given, or not as many names.
    """
    if pattern:
        lookup(bayer.RED, pattern, "`pattern`")
        return [("", pattern)] * count
    if not names:
        raise UsageError(
            f"{path}: blocks tell no CFA pattern; give `block_names` FILE with the names of their scene instances, "
            "one in a line, or `pattern` if all have the same"
        )
    found = sidd.read_names(names)
    if len(found) != count:
        raise UsageError(f"`block_names` {names}: {len(found)} names; {path} holds blocks of {count} scene instances")
    return [(instance.phone, instance.pattern) for instance in found]


def block_sets(noisy: str, clean: str, names: str | None, pattern: str | None) -> list[TestSet]:
    """Test sets of two files of blocks: one for each phone, in one group.

    Raises:
        UsageError: as `instances`.
        RunError: a file holds no blocks, or the two differ in shape.
    """
    noisy_blocks, clean_blocks = read(noisy), read(clean)
    if noisy_blocks.shape != clean_blocks.shape:
        raise RunError(f"{noisy}: blocks of shape {noisy_blocks.shape}; {clean}: {clean_blocks.shape}")
    name = Path(noisy).stem.removesuffix("NoisyBlocksRaw") or "blocks"
    name = SIDD_VALIDATION if name == "Validation" else name
    told = instances(noisy, len(noisy_blocks), names, pattern)

    def of(phone: tuple[str, str], side: np.ndarray) -> list[Block]:
        numbers = [number for number, each in enumerate(told) if each == phone]
        return [Block(f"{i + 1}/{j + 1}", side[i, j][..., None]) for i in numbers for j in range(side.shape[1])]

    return [
        TestSet(
            f"{name} {phone[0]}".strip(), of(phone, clean_blocks), of(phone, noisy_blocks),
            group=name if phone[0] else None, pattern=phone[1],
        )
        for phone in sorted(set(told))
    ]  # fmt: skip


def denoised(denoiser: Denoise, blocks: np.ndarray, patterns: list[str], advance: Callable[[], None]) -> np.ndarray:
    """Blocks of the same shape, clipped to [0, 1]; `advance` is called after each.

    Raises:
        RunError: the denoiser gives numbers that are not finite.
    """
    results = np.empty_like(blocks)
    for instance, pattern in enumerate(patterns):
        of_mosaic = bayer.on_mosaics(denoiser, pattern)
        for number, block in enumerate(blocks[instance]):
            result = of_mosaic(block[..., None])[..., 0]
            if not np.isfinite(result).all():
                raise RunError(f"block {instance + 1}/{number + 1}: the denoiser gives numbers that are not finite")
            results[instance, number] = np.clip(result, 0, 1)
            advance()
    return results


def write_submission(path: Path, blocks: np.ndarray) -> None:
    """The benchmark's file: .mat, in v5, one array of the blocks' shape; or .csv, a block in each line as base64."""
    write(path, lambda temporary: WRITERS[path.suffix.lower()](temporary, blocks))


def _write_mat(path: Path, blocks: np.ndarray) -> None:
    with path.open("wb") as file:
        scipy.io.savemat(file, {KEY: blocks})


def _write_csv(path: Path, blocks: np.ndarray) -> None:
    def rows() -> Iterator[tuple[object, object]]:
        yield "ID", "BLOCK"
        for number, block in enumerate(blocks.reshape(-1, *blocks.shape[2:])):
            yield number, base64.b64encode(np.ascontiguousarray(block).tobytes()).decode()

    with path.open("w", newline="", encoding="ascii") as file:
        csv.writer(file).writerows(rows())


WRITERS = {".mat": _write_mat, ".csv": _write_csv}
