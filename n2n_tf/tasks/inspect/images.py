"""The images that are inspected: some of a source, as stored, and what their numbers mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import CHANNELS, COUNTS, MOSAIC
from n2n_tf.data.finding import find_files, reason
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.manifest import read_manifest, shards_at
from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.sources import kind_at
from n2n_tf.data.zarr_finding import zarrs_at
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import in_unit_range
from n2n_tf.meter.images import SIDE
from n2n_tf.training.presets import build_config
from n2n_tf.training.scale import choose_range
from n2n_tf.value_range import UNIT, ValueRange, range_of_type

HELD = 2**26  # numbers of all images together that are held; of larger images the middle is
ALIGNED = 16  # pixels that a middle begins at a multiple of: JPEG's blocks stay where they are


@dataclass(frozen=True)
class Looked:
    """The images that are inspected.

    Attributes:
        stored: [H, W, C] each, as files hold them.
        settings: how they are taken.
        value_range: the intensities at 0 and 1; None if their types say it.
        found: images there are.
        unit: what one is called.
        skipped: files that cannot be used, with the reason.
        sides: height and width of the smallest.
        cut: whether only the middle of some is held.
    """

    stored: tuple[np.ndarray, ...]
    settings: ImageSettings
    value_range: ValueRange | None
    found: int
    unit: str
    skipped: Mapping[str, str]
    sides: tuple[int, int]
    cut: bool

    @property
    def scale(self) -> ValueRange:
        """What 0 and 1 are in the images' own units."""
        return self.value_range or (UNIT if self.settings.is_mosaic else range_of_type(self.stored[0].dtype))

    @property
    def megapixels(self) -> float:
        return sum(image.shape[0] * image.shape[1] for image in self.stored) / 1e6

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what is measured alone: planes of a mosaic, channels of unlike things; else all together."""
        if self.settings.image_kind == MOSAIC:
            return ("R", "G1", "G2", "B")
        if self.settings.image_kind == CHANNELS:
            return tuple(f"channel {number + 1}" for number in range(self.settings.channels))
        return ("all",)

    def unit_images(self, part: int | None = None) -> Iterator[np.ndarray]:
        """float32 [H, W, C] in units of the value range, one after the other; or one channel of each."""
        for image in self.stored:
            yield in_unit_range(image if part is None else image[..., part : part + 1], self.value_range)


def settings_of(paths: Sequence[str], given: Mapping[str, Any]) -> ImageSettings:
    """How `train` would take these images; what their channels are is read of the first where it is not said.

    Args:
        paths: where the images are.
        given: fields of `ImageSettings`.

    Raises:
        UsageError: settings that contradict each other or the images.
    """
    told = {**given, "data": tuple(paths), "noise": "none"}
    settings = build_config(told).images
    if not {"channels", "kind", "channel"} & given.keys() and not settings.is_mosaic:
        settings = build_config({**told, **_read(paths)}).images
    return settings


def look(settings: ImageSettings, images: int) -> Looked:
    """Read some images, evenly spaced.

    Args:
        settings: which, and how they are taken.
        images: at most so many.

    Raises:
        UsageError, RunError: a path that is not there; no usable image.
    """
    wanted = Wanted(settings.channels, settings.image_kind, SIDE, settings.channel)
    source = kind_at(settings.data).training(settings.data, wanted, "PATH")
    value_range = choose_range(settings, source)
    most = HELD // max(1, min(images, len(source))) // settings.channels
    stored, sides, cut = [], [], False
    for image in source.samples(images):
        sides.append(image.shape[:2])
        stored.append(middle(image, most))
        cut |= stored[-1].shape != image.shape
    looked = Looked(
        tuple(stored), settings, value_range, len(source), source.unit, dict(source.skipped),
        (min(h for h, _ in sides), min(w for _, w in sides)), cut,
    )  # fmt: skip
    _check(looked)
    return looked


def middle(image: np.ndarray, most: int) -> np.ndarray:
    """A copy of the middle of an image, of about `most` pixels; all of a smaller one."""
    height, width = image.shape[:2]
    if height * width <= most:
        return image
    share = (most / (height * width)) ** 0.5
    tall, wide = max(SIDE, int(height * share)), max(SIDE, int(width * share))
    top, left = (height - tall) // 2 // ALIGNED * ALIGNED, (width - wide) // 2 // ALIGNED * ALIGNED
    return image[top : top + tall, left : left + wide].copy()


def _read(paths: Sequence[str]) -> dict[str, Any]:
    """Channels and kind of prepared crops, Zarr or the first file that can be read."""
    if any(map(shards_at, paths)):
        manifest = read_manifest(next(path for path in paths if shards_at(path)))
        return {"channels": manifest["channels"], "kind": manifest["kind"]}
    if any(map(zarrs_at, paths)):
        return {"channels": 1}  # planes
    for file in find_files(paths, "PATH"):
        try:
            page = readers.pages(file)[0]
        except (UnusableImageError, OSError):
            continue
        if page.is_raw:
            return {"channels": COUNTS[MOSAIC], "kind": MOSAIC}
        return {"channels": page.colors}
    return {}


def _check(looked: Looked) -> None:
    """Fail now if pixels are no intensities."""
    try:
        for image in looked.stored:
            in_unit_range(image[:1, :1], looked.value_range)
    except UnusableImageError as error:
        raise RunError(f"PATH: {reason(error)}") from error


def shots_of(folder: str, looked: Looked, most: int) -> list[list[np.ndarray]]:
    """Shots by scene, each four, in units of the value range: of a folder, or of each folder in it.

    Args:
        folder: repeated shots of one scene, or such folders.
        looked: the images that they are taken like.
        most: scenes.

    Raises:
        UsageError: no such folder, or fewer than four shots of a scene.
    """
    at = Path(folder).expanduser()
    if not at.is_dir():
        raise UsageError(f"`shots` {folder}: no such folder; wanted repeated shots of one scene, or one folder each")
    scenes = sorted(each for each in at.iterdir() if each.is_dir()) or [at]
    wanted = Wanted(looked.settings.channels, looked.settings.image_kind, SIDE, looked.settings.channel)
    found = []
    for scene in scenes[:most]:
        source = kind_at([str(scene)]).training([str(scene)], wanted, "`shots`")
        if len(source) < 4:
            raise UsageError(f"`shots` {scene}: {len(source)} shots; wanted 4 of each scene at least")
        first = [middle(image, HELD // 16) for image in source.samples(4)]
        if len({image.shape for image in first}) > 1:
            raise UsageError(f"`shots` {scene}: shots of different sizes; wanted the same view, one size")
        found.append([in_unit_range(image, looked.value_range) for image in first])
    return found
