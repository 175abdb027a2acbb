"""Files and folders that are whole or not there."""

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from n2n_tf import __version__
from n2n_tf.config import RunError

PARTIAL = ".partial."  # begins the name of a file that is not whole yet


@functools.cache
def _here() -> str:
    """Where a process number means what it means to us: this host, on Linux this container."""
    space = ""
    with contextlib.suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


@functools.cache
def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished; once, since a folder may hold many files."""
    for path in folder.glob(f"{PARTIAL}{_here()}-*") if os.name == "posix" else ():
        try:
            os.kill(int(path.name.split("-")[1]), 0)
        except ProcessLookupError:
            _remove(path)
        except (ValueError, OverflowError, OSError):  # no name of ours; a process of another user
            continue


def _remove(path: Path) -> None:
    """What can be removed of a file or folder: another user's cannot, and another process may be faster."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def partial_name(name: str) -> str:
    """A name for a file that will be `name`: no other process's, of any length of `name`, with its short suffixes."""
    suffixes = [each for each in Path(name).suffixes[-2:] if len(os.fsencode(each)) <= 16]  # writers go by them
    return f"{PARTIAL}{_here()}-{os.getpid()}-{uuid.uuid4().hex}{''.join(suffixes)}"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write; it is renamed at the end: `path` is old or new, never half."""
    sweep(path.parent)
    temporary = path.with_name(partial_name(path.name))
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Let `writer` write a temporary file beside `path`, as `writing` has it."""
    with writing(path) as temporary:
        writer(temporary)


@contextlib.contextmanager
def partial_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for what is renamed once it is whole. It goes at the end; if we are killed, by a sweep."""
    sweep(parent)
    folder = parent / partial_name("")
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(folder)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """As `write`, a JSON file."""
    write(path, lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8"))


def check_format(told: Mapping[str, Any], newest: int, path: str | Path) -> None:
    """Look at the number of a file's form, `format`; files of before there was one have form 1.

    Args:
        told: what the file holds.
        newest: the largest number that this version reads.
        path: of the file, for errors.

    Raises:
        RunError: a later version wrote it.
        ValueError: it is no such number.
    """
    number = told.get("format", 1)
    if type(number) is not int or number < 1:
        raise ValueError(f"`format` is {repr(number)[:80]}; wanted a number from 1 on")
    if number > newest:
        text = f"has format {str(number)[:20]}, of a later version of n2n_tf"
        raise RunError(f"{path}: {text}; {__version__} reads up to {newest}: update it")
