"""The process that TensorFlow runs in, beside napari: `python -m n2n_tf.napari.worker DESCRIPTOR`.

One process for both would end in a segmentation fault where OpenGL comes from Mesa: its drivers load LLVM, of which
TensorFlow has another version inside.
"""

import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from n2n_tf.config import RunError, StoppedError, UsageError
from n2n_tf.data.planes import Planes
from n2n_tf.napari.link import Link, Remote

EXPECTED = (UsageError, RunError, ValueError, OSError, MemoryError)  # mistakes and bad luck, told in one line


class Words(logging.Handler):
    """What the library says goes to napari."""

    def __init__(self, link: Link):
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        self._link.tell("words", record.levelno, record.getMessage())


def carry_out(link: Link, task: dict[str, Any]) -> None:
    """Do a task, and say how it ended; what is not expected ends the process, which napari tells."""
    from n2n_tf.napari import work  # loads TensorFlow

    shape, dtype, channels, colors = task.pop("array")
    planes = Planes(Remote(link, shape, dtype), channels, colors)
    try:
        link.check()
        link.tell("done", getattr(work, task.pop("do"))(link, planes, **task))
    except StoppedError:
        link.tell("stopped")
    except EXPECTED as error:
        link.tell("failed", str(error) or type(error).__name__)
    except Exception:
        if not link.gone:  # else TensorFlow's words for a layer that cannot be read any more
            raise


def main(descriptor: int) -> None:
    """Carry out tasks until napari goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in napari's terminal is napari's
    link = Link(Connection(descriptor))
    logger = logging.getLogger("n2n_tf")
    logger.addHandler(Words(link))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    while (task := link.task()) is not None:
        carry_out(link, task)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(int(sys.argv[1]))
