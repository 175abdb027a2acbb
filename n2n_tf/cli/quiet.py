"""Keep TensorFlow's start-up notes off the terminal."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """While it is imported, TensorFlow writes to file descriptor 2 whatever the log level says; errors still raise."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
