"""Sample images for a first try: photographs that scikit-image carries in its wheel."""

from collections.abc import Mapping
from pathlib import Path

import skimage

TRAINING: dict[int, tuple[str, ...]] = {
    1: ("brick.png", "camera.png", "grass.png", "gravel.png"),
    3: (
        "astronaut.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
        "rocket.jpg",
    ),
}
HELD_OUT: dict[int, tuple[str, ...]] = {
    1: ("coins.png", "moon.png"),
    3: ("chelsea.png", "coffee.png"),
}


def sample_paths(names: Mapping[int, tuple[str, ...]], channels: int) -> tuple[str, ...]:
    """Paths of `TRAINING` or `HELD_OUT` for a channel count."""
    folder = Path(skimage.__file__).parent / "data"
    return tuple(str(folder / name) for name in names[channels])
