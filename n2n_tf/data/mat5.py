"""Files in MATLAB's v5 format, each read in a process of its own: flipped bits in them make SciPy's reader crash."""

import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io

from n2n_tf.formats.errors import UnusableImageError

REFUSED = 3  # exit status; the reason is what was printed


def read_blocks(path: str | Path, most_bytes: int) -> np.ndarray:
    """The one array of four dimensions, float32.

    Raises:
        UnusableImageError: it holds none, or a larger one.
    """
    return _apart("blocks", path, most_bytes)


def read_tag(path: str | Path, code: int) -> np.ndarray:
    """The value of a tag of a DNG that MATLAB does not know by name, in the variable `metadata`.

    Raises:
        UnusableImageError: it holds none.
    """
    return _apart("tag", path, code)


def _apart(task: str, path: str | Path, number: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "array.npy")
        command = [sys.executable, "-m", __name__, task, os.path.abspath(path), str(number), target]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        if done.returncode == REFUSED:
            raise UnusableImageError(" ".join(done.stdout.decode("utf-8", "replace").split()))
        if done.returncode:
            ending = signal.strsignal(-done.returncode) if done.returncode < 0 else f"status {done.returncode}"
            raise UnusableImageError(f"cannot be decoded: SciPy's reader ended with: {ending}")
        return np.load(target)


def _blocks(path: str, most_bytes: int) -> np.ndarray:
    variables = scipy.io.whosmat(path)
    arrays = {name: shape for name, shape, kind in variables if len(shape) == 4 and kind in ("single", "double")}
    if len(arrays) != 1 or 0 in next(iter(arrays.values())):
        held = ", ".join(f"{name} {shape} {kind}" for name, shape, kind in variables) or "nothing"
        raise UnusableImageError(f"it holds {held}; wanted one array of floats, [instances, blocks, H, W]")
    ((name, shape),) = arrays.items()
    size = 4 * math.prod(shape)
    if size > most_bytes:
        raise UnusableImageError(f"its blocks take {size / 1e9:.1f} GB; at most {most_bytes / 1e9:.1f} are read")
    return scipy.io.loadmat(path, variable_names=[name])[name].astype(np.float32, copy=False)


def _tag(path: str, code: int) -> np.ndarray:
    return dict(_tags(scipy.io.loadmat(path)["metadata"]))[code]


def _tags(node: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Code and value of the tags, of sub-directories too."""
    for each in node.ravel():
        if isinstance(each, np.ndarray):  # of a cell
            yield from _tags(each)
            continue
        for name in getattr(getattr(each, "dtype", None), "names", None) or ():
            if name == "UnknownTags":
                yield from ((int(tag["ID"].item()), tag["Value"].ravel()) for tag in each[name].ravel())
            elif isinstance(each[name], np.ndarray):
                yield from _tags(each[name])


def main(task: str, path: str, number: str, target: str) -> int:
    """What the other process does; returns its exit status."""
    try:
        np.save(target, {"blocks": _blocks, "tag": _tag}[task](path, int(number)), allow_pickle=False)
        return 0
    except UnusableImageError as error:
        text = str(error)
    except Exception as error:  # SciPy raises zlib.error, TypeError, ValueError and more
        text = f"cannot be decoded: {error}"
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
