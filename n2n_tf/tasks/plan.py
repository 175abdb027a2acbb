"""Which files are denoised into which."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2n_tf.config import UsageError
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.data.finding import find_files
from n2n_tf.formats.table import becoming
from n2n_tf.formats.tiff.ome_writer import SUFFIX
from n2n_tf.tasks import zarr_files
from n2n_tf.tasks.beside import Beside, map_path


@dataclass(frozen=True)
class Plan:
    """Where results go.

    Attributes:
        files: image file -> its result.
        groups: OME-Zarr image -> its result, folders or URLs.
        earlier: inputs that are the result of another, as those of an earlier run are -> that other. They are not
            denoised, nor ever replaced.
        beside: what is written beside the results.
        channel: those alone that are denoised and written, by name or number from 1; all if there are none.
    """

    files: dict[str, Path]
    groups: dict[str, str]
    earlier: dict[str, str]
    beside: Beside
    channel: tuple[str, ...] = ()

    def check(self, kind: str) -> None:
        """Raise UsageError where a denoiser of a kind of images cannot do this."""
        if self.beside.uncertainty and kind == MOSAIC:
            raise UsageError(
                "`uncertainty` with a raw model: flips would displace the colours of a mosaic; leave it out"
            )


def plan_files(
    inputs: Sequence[str], output: str | None, suffix: str = "", beside: Beside | None = None,
    channel: Sequence[str | int] = (),
) -> Plan:  # fmt: skip
    """Find the images under folders, globs and names, and say where their results go.

    Args:
        inputs: files, folders, globs, OME-Zarr images.
        output: folder for the results, under the names of the inputs; None writes beside these.
        suffix: added to each name.
        beside: what is written beside the results; None: nothing.
        channel: as `Plan` has it. Results are OME-TIFFs then, whatever the source is, and OME-Zarr images.

    Raises:
        UsageError: no image, an input that does not exist, results that would replace their input or each other, or
            something beside them that cannot be.
    """
    beside = beside or Beside()
    if output is None and not suffix:
        raise UsageError("no `output`: name a folder, or give a `suffix` to write beside the inputs")
    if os.sep in suffix:
        raise UsageError(f"`suffix` {suffix}: is part of a file name; name the folder with `output`")
    beside.check()
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
    if groups and beside.uncertainty:
        raise UsageError(f"`uncertainty` with OME-Zarr: there is none for {next(iter(groups))}; denoise it apart")
    earlier = _earlier(targets, beside)
    files = {source: target for source, target in targets.items() if source not in earlier}
    return Plan(files, groups, earlier, beside, tuple(map(str, channel)))


def _earlier(targets: dict[str, Path], beside: Beside) -> dict[str, str]:
    """Inputs that are the result of another -> that other.

    Raises:
        UsageError: results that would replace their input or each other.
    """
    sources = {os.path.realpath(source): source for source in targets}
    results: dict[str, str] = {}
    for source, target in targets.items():
        for result in (target, *beside.paths(target)):
            real = os.path.realpath(result)
            if real == os.path.realpath(source):
                raise UsageError(f"{source}: would be replaced by its result; give a `suffix` or another `output`")
            if real in results:
                raise UsageError(f"{results[real]} and {source}: both results would be {result}; denoise them apart")
            results[real] = source
    maps = {os.path.realpath(map_path(target)): source for source, target in targets.items()}  # not only if wanted now
    return {sources[real]: source for real, source in {**maps, **results}.items() if real in sources}
