"""What is written beside the results of denoising, and where."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from n2n_tf.config import lookup
from n2n_tf.files import write
from n2n_tf.formats import raw
from n2n_tf.formats.tiff.ome_writer import SUFFIX
from n2n_tf.tasks.report_file import ReportFile

RENDERINGS: dict[str, tuple[str, Callable[[Path, np.ndarray], object]]] = {  # of raw files
    "png": (".png", lambda path, image: path.write_bytes(imagecodecs.png_encode(image))),
    "tiff": (".tif", lambda path, image: tifffile.imwrite(path, image, photometric="rgb", compression="zlib")),
}


@dataclass(frozen=True)
class Beside:
    """What is wanted.

    Attributes:
        render: a raw file's rendering beside its result, of a kind of `RENDERINGS`.
        uncertainty: a map of the error to expect, beside each result.
        report: a table with a row for each file: its noise, and what was gained.
    """

    render: str | None = None
    uncertainty: bool = False
    report: Path | None = None

    def check(self) -> None:
        """Raise UsageError for another rendering, or a report that would replace another file."""
        if self.render:
            lookup(RENDERINGS, self.render, "`render`")
        if self.report:
            ReportFile(self.report).check()

    def paths(self, target: Path) -> list[Path]:
        """The files that are written beside a result."""
        rendered = [rendering_path(target, self.render)] if self.rendered([target]) else []
        return [*rendered, *([map_path(target)] if self.uncertainty else [])]

    def rendered(self, targets: list[Path]) -> list[Path]:
        """The raw files among results that are to be rendered."""
        return [path for path in targets if self.render and path.suffix.lower() == ".dng"]


def rendering_path(path: Path, kind: str | None) -> Path:
    """Where the rendering of a raw file goes."""
    return path.with_name(f"{path.stem}_rendered{RENDERINGS[kind][0]}") if kind else path


def map_path(target: Path) -> Path:
    """Where the map of the error of a result goes."""
    name = target.name.removesuffix(SUFFIX) if target.name.endswith(SUFFIX) else target.stem
    return target.with_name(f"{name}_uncertainty.tif")


def render_raw(path: Path, kind: str, overwrite: bool) -> None:
    """Write LibRaw's rendering of a raw file beside it, unless it is there or the file is not.

    Raises:
        UnusableImageError, OSError: it cannot be read, or the picture not written.
    """
    target = rendering_path(path, kind)
    if path.exists() and (overwrite or not target.exists()):
        picture = raw.rendered(path)
        write(target, lambda temporary: RENDERINGS[kind][1](temporary, picture))
