"""Logs that no client can fill."""

import logging
import time

BEGINNING = 30  # characters by which messages are told apart: what follows may differ each time


class Seldom(logging.Filter):
    """Lets a message through once in a while.

    Args:
        seconds: until the same one comes through again, with the number of those between.
    """

    def __init__(self, seconds: float):
        super().__init__()
        self._seconds = seconds
        self._seen: dict[str, tuple[float, int]] = {}  # when it came through, and how often it did not since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be logged."""
        message, now = str(record.msg)[:BEGINNING], time.monotonic()
        since, missed = self._seen.get(message, (-self._seconds, 0))
        if now < since + self._seconds:
            self._seen[message] = since, missed + 1
            return False
        self._seen[message] = now, 0
        if missed:
            record.msg = f"{record.msg} ({missed} more of these since the last one)"
        return True
