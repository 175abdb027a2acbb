"""Which files are denoised into which."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from n2n_tf.config import UsageError, lookup
from n2n_tf.data.finding import find_files
from n2n_tf.formats.table import becoming
from n2n_tf.formats.tiff.ome_writer import SUFFIX
from n2n_tf.tasks import zarr_files

RENDERINGS: dict[str, tuple[str, Callable[[Path, np.ndarray], object]]] = {  # of raw files
    "png": (".png", lambda path, image: path.write_bytes(imagecodecs.png_encode(image))),
    "tiff": (".tif", lambda path, image: tifffile.imwrite(path, image, photometric="rgb", compression="zlib")),
}


@dataclass(frozen=True)
class Plan:
    """Where results go.

    Attributes:
        files: image file -> its result.
        groups: OME-Zarr image -> its result, folders or URLs.
        earlier: inputs that are the result of another, as those of an earlier run are -> that other. They are not
            denoised, nor ever replaced.
        render: a raw file's rendering beside its result, of a kind of `RENDERINGS`.
        channel: those alone that are denoised and written, by name or number from 1; all if there are none.
    """

    files: dict[str, Path]
    groups: dict[str, str]
    earlier: dict[str, str]
    render: str | None = None
    channel: tuple[str, ...] = ()


def plan_files(
    inputs: Sequence[str], output: str | None, suffix: str = "", render: str | None = None,
    channel: Sequence[str | int] = (),
) -> Plan:  # fmt: skip
    """Find the images under folders, globs and names, and say where their results go.

    Args:
        inputs: files, folders, globs, OME-Zarr images.
        output: folder for the results, under the names of the inputs; None writes beside these.
        suffix: added to each name.
        render: a name of `RENDERINGS`, for raw files.
        channel: as `Plan` has it. Results are OME-TIFFs then, whatever the source is, and OME-Zarr images.

    Raises:
        UsageError: no image, an input that does not exist, or results that would replace their input or each other.
    """
    if output is None and not suffix:
        raise UsageError("no `output`: name a folder, or give a `suffix` to write beside the inputs")
    if os.sep in suffix:
        raise UsageError(f"`suffix` {suffix}: is part of a file name; name the folder with `output`")
    if render:
        lookup(RENDERINGS, render, "`render`")
    groups, others = zarr_files.plan(inputs, output, suffix)
    targets = {}
    for source, root in find_files(others, "INPUT").items():
        path = Path(source)
        folder = Path(os.path.abspath(output)) / path.parent.relative_to(root) if output else path.parent
        _, kind = becoming(path) or ("", path.suffix)
        kind = SUFFIX if channel and kind.lower() not in (".tif", ".tiff") else kind
        targets[source] = folder / f"{path.stem}{suffix}{kind}"
    if not targets and not groups:
        raise UsageError(f"no image in {' '.join(inputs)}")
    earlier = _earlier(targets, render)
    files = {source: target for source, target in targets.items() if source not in earlier}
    return Plan(files, groups, earlier, render, tuple(map(str, channel)))


def rendered_from(targets: Iterable[Path], kind: str | None) -> list[Path]:
    """The raw files among results that are to be rendered."""
    return [path for path in targets if kind and path.suffix.lower() == ".dng"]


def rendering_path(path: Path, kind: str | None) -> Path:
    """Where the rendering of a raw file goes."""
    return path.with_name(f"{path.stem}_rendered{RENDERINGS[kind][0]}") if kind else path


def _earlier(targets: dict[str, Path], render: str | None) -> dict[str, str]:
    """Inputs that are the result of another -> that other.

    Raises:
        UsageError: results that would replace their input or each other.
    """
    sources = {os.path.realpath(source): source for source in targets}
    results: dict[str, str] = {}
    for source, target in targets.items():
        for result in (target, *(rendering_path(path, render) for path in rendered_from([target], render))):
            real = os.path.realpath(result)
            if real == os.path.realpath(source):
                raise UsageError(f"{source}: would be replaced by its result; give a `suffix` or another `output`")
            if real in results:
                raise UsageError(f"{results[real]} and {source}: both results would be {result}; denoise them apart")
            results[real] = source
    return {sources[real]: source for real, source in results.items() if real in sources}
