"""What became of images that were to be denoised."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of the inputs.

    Attributes:
        written: input -> its result.
        kept: results that were there already, and are as they were.
        earlier: inputs that are the result of another -> that other; they were left alone.
        failed: input -> why.
    """

    written: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    earlier: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """What became of further ones."""
        self.written.update(other.written)
        self.kept += other.kept
        self.earlier.update(other.earlier)
        self.failed.update(other.failed)
