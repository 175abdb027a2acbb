"""What the library says, in the words of the command line: `field` is --field."""

import logging
import re


class Spoken(logging.Formatter):
    """Messages of the library.

    Attributes:
        flags: by field, of all commands; set where these are known.
    """

    flags: dict[str, str] = {}  # noqa: RUF012

    def format(self, record: logging.LogRecord) -> str:
        return as_flags(super().format(record))


def as_flags(text: str) -> str:
    """A text of the library, with `field` as --field where there is such a flag."""
    return re.sub("`([a-z][a-z_0-9]*)`", lambda match: Spoken.flags.get(match[1], match[0]), text)
