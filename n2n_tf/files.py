"""Files that are whole or not there."""

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTIAL = ".partial."  # begins the name of a file that is not whole yet


def partial_name(name: str) -> str:
    """A name for a file that will be `name`: no other process's, of any length of `name`, with its short suffixes."""
    suffixes = [each for each in Path(name).suffixes[-2:] if len(os.fsencode(each)) <= 16]  # writers go by them
    return PARTIAL + uuid.uuid4().hex + "".join(suffixes)


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Let `writer` write a temporary file beside `path`, then rename it: `path` is old or new, never half."""
    temporary = path.with_name(partial_name(path.name))
    try:
        writer(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """As `write`, a JSON file."""
    write(path, lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8"))
