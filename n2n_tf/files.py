"""Files that are whole or not there."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTIAL = ".partial."  # begins the name of a file that is not whole yet


def write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Let `writer` write a temporary file beside `path`, then rename it: `path` is old or new, never half."""
    temporary = path.with_name(PARTIAL + path.name)
    try:
        writer(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """As `write`, a JSON file."""
    write(path, lambda temporary: temporary.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8"))
