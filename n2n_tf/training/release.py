"""What a run that ends early must let go of."""

import contextlib
import gc
import traceback
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def released() -> Iterator[None]:
    """No exception leaves with what its frames hold: the iterator of `fit` must not outlive it.

    The iterator's destructor waits for the readers, which are Python. Left to the interpreter's end, when no thread of
    Python runs any more, it would wait for ever.
    """
    try:
        yield
    except BaseException as error:
        _clear(error)
        raise
    finally:
        gc.collect()  # Keras's iterators are part of cycles


def _clear(error: BaseException) -> None:
    """The frames of an exception, and of those that it came from."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        for frame, _ in traceback.walk_tb(each.__traceback__):
            _clear_callers(frame)
        pending += [each.__cause__, each.__context__]


def _clear_callers(frame: FrameType | None) -> None:
    """A frame and its callers: Keras takes its own out of tracebacks, but a callback's frame still leads to them."""
    while frame is not None:
        with contextlib.suppress(RuntimeError):  # it is running, as ours is
            frame.clear()
        frame = frame.f_back
