"""What a test for one artefact answers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Artefact:
    """One number, and what it means.

    Attributes:
        name: of the artefact.
        value: the worst of the images; what it counts is told by its test.
        error: standard error of the mean over the images; nan of one image.
        threshold: from which it is said to be present.
        present: in how many of the images.
        images: how many.
        notes: where it is, or what it does to training.
    """

    name: str
    value: float
    error: float
    threshold: float
    present: int
    images: int
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether it is present in any image."""
        return self.present > 0


def summary(name: str, values: list[float], threshold: float, notes: list[str]) -> Artefact:
    """From the values of the images; notes are kept once each, at most four.

    Raises:
        ValueError: no image.
    """
    if not values:
        raise ValueError("no image to measure; wanted one at least")
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    error = (variance / len(values)) ** 0.5 if len(values) > 1 else float("nan")
    present = sum(value > threshold for value in values)
    return Artefact(name, max(values), error, threshold, present, len(values), tuple(dict.fromkeys(notes))[:4])
