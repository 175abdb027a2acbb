"""The table that denoising files writes: a row for each, kept over runs and processes."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from n2n_tf.config import UsageError
from n2n_tf.files import writing
from n2n_tf.ownership import turn

COLUMNS = (
    "file", "sigma", "sigma_error", "sigma_of_255", "a", "a_error", "s2", "s2_error", "rho_right", "rho_right_error",
    "rho_below", "rho_below_error", "correlated", "psnr_before", "psnr_before_error", "psnr_after",
    "psnr_after_error", "valid", "images", "notes",
)  # fmt: skip


class ReportFile:
    """A CSV file, UTF-8. What is not known is an empty cell.

    Args:
        path: of the file, which need not be there.
    """

    def __init__(self, path: Path):
        self.path = path

    def check(self) -> None:
        """Raise UsageError if there is another file."""
        try:
            self.rows()
        except (ValueError, OSError, csv.Error) as error:
            raise UsageError(
                f"`report` {self.path}: is there, and is no report of this version ({error}); name another"
            ) from error

    def rows(self) -> dict[str, dict[str, str]]:
        """What was written, by file.

        Raises:
            ValueError, OSError, csv.Error: it is another file.
        """
        if not self.path.exists():
            return {}
        with open(self.path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            lines = csv.reader(file, strict=True)
            if (first := next(lines, [])) != list(COLUMNS):
                raise ValueError(f"its first line is {','.join(first)[:80]!r}")
            return {line[0]: dict(zip(COLUMNS, line, strict=True)) for line in lines}

    def put(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Add rows, in the place of those of the same files. Other processes may add theirs meanwhile.

        Raises:
            ValueError, OSError, csv.Error: it cannot be read or written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with turn(self.path.with_name(f".{self.path.name}.lock")):
            found = {**self.rows(), **{row["file"]: dict(row) for row in rows}}
            with (
                writing(self.path) as temporary,
                open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
            ):
                writer = csv.DictWriter(file, COLUMNS, restval="")
                writer.writeheader()
                writer.writerows(found.values())
