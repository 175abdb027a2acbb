"""OME-Zarr images among what is to be denoised: which they are, and where their results go."""

import glob
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.data.finding import fixed_part, reason
from n2n_tf.formats.zarr_groups import images_in, is_zarr
from n2n_tf.formats.zarr_place import is_url
from n2n_tf.progress import ProgressLine

if TYPE_CHECKING:
    from n2n_tf.inference import Denoiser
    from n2n_tf.tasks.crew import Crew

logger = logging.getLogger(__name__)

SUFFIXES = (".ome.zarr", ".zarr")
FILE = "file://"
PAUSE = 60  # seconds between lines in a log file


def plan(inputs: Sequence[str], output: str | None, suffix: str) -> tuple[dict[str, str], list[str]]:
    """Where the result of each Zarr group among the inputs goes.

    Returns:
        Group -> its result, folders or URLs; and the inputs that may hold other images.

    Raises:
        UsageError: results that would replace their input or each other, or a URL for other images.
    """
    found: dict[str, str] = {}  # group -> where its place is told from
    others = []
    for given in inputs:
        path = os.path.expanduser(given.removeprefix(FILE))
        if is_url(path):
            found[path.rstrip("/")] = path.rstrip("/").rpartition("/")[0]
            continue
        groups, rest = _find(path)
        found |= groups
        if rest and groups and is_url(output or ""):
            logger.warning("%s: files other than OME-Zarr images are left out, since `output` is a URL", given)
        elif rest:
            others.append(given)
    output = output.removeprefix(FILE) if output else None
    targets = {source: _target(source, root, output, suffix) for source, root in found.items()}
    _check(targets)
    if output and is_url(output) and others:
        raise UsageError(f"`output` {output}: a URL takes OME-Zarr images alone; name a folder for {' '.join(others)}")
    return targets, others


def denoise(
    denoiser: "Denoiser", targets: dict[str, str], overwrite: bool, quiet: bool = False, channel: Sequence[str] = (),
    crew: "Crew | None" = None,
) -> tuple[dict[str, str], list[str], dict[str, str]]:  # fmt: skip
    """Denoise each group; the rest goes on where one fails.

    Returns:
        Group -> its result; results that were there and are kept; what failed, with the reason.
    """
    done: dict[str, str] = {}
    failed: dict[str, str] = {}
    kept: list[str] = []
    if not targets:
        return done, kept, failed
    from n2n_tf.tasks.denoise_zarr import denoise_zarr, exists

    for number, (source, target) in enumerate(targets.items(), 1):
        try:
            if denoiser.kind == MOSAIC:
                raise ValueError("no raw file; this model takes raw files")
            if not overwrite and exists(target):
                kept.append(target)
                continue
            with ProgressLine("denoising", 1, quiet=quiet) as line:
                denoise_zarr(denoiser, source, target, overwrite, channel, _progress(line, target), crew)
                done[source] = target
                line.say(f"{number}/{len(targets)} {target}")
        except (ValueError, OSError, MemoryError, RunError) as error:
            failed[source] = reason(error)
    return done, kept, failed


def _find(path: str) -> tuple[dict[str, str], bool]:
    """Groups of a folder or glob -> where their place is told from; and whether other images may be there."""
    exists, found = os.path.exists(path), {}
    matches = [os.path.abspath(each) for each in ([path] if exists else sorted(glob.glob(path, recursive=True)))]
    for match in matches:
        root = match if exists and not is_zarr(match) else os.path.dirname(match) if exists else fixed_part(path)
        found.update(dict.fromkeys(_groups_in(match), os.path.abspath(root)))
    return found, not matches or not all(map(is_zarr, matches))


def _groups_in(folder: str) -> list[str]:
    """The images under a folder, which may be one; a Zarr group that holds none, for the error that it makes."""
    found = list(images_in(folder))
    if not found and is_zarr(folder):
        return [folder]
    above = sorted({os.path.dirname(each) for each in found if is_zarr(os.path.dirname(each))})
    if above:
        logger.warning("%s: a group of images; they are denoised one by one, its own metadata is left out", above[0])
    return found


def _target(source: str, root: str, output: str | None, suffix: str) -> str:
    """Where the result of a group goes."""
    folder, _, name = source.rpartition("/")
    ending = next((each for each in SUFFIXES if name.endswith(each)), "")
    name = name.removesuffix(ending) + suffix + ending
    if output is None:
        return f"{folder}/{name}"
    inside = "." if is_url(source) else os.path.relpath(folder, root)
    if is_url(output):
        return "/".join(part for part in (output.rstrip("/"), inside, name) if part != ".")
    return os.path.normpath(os.path.join(os.path.abspath(output), inside, name))


def _check(targets: dict[str, str]) -> None:
    """Raise UsageError if a result would lie in an input, or replace one, or another result."""
    taken: dict[str, str] = {}
    sources = {_real(source): source for source in targets}
    for source, target in targets.items():
        real = _real(target)
        inside = next((sources[each] for each in sources if f"{real}/".startswith(f"{each}/")), None)
        if inside is not None or any(each.startswith(f"{real}/") for each in sources):
            raise UsageError(
                f"{source}: its result {target} would replace {inside or 'an input'}, or lie in it; give a `suffix` or "
                "another `output`"
            )
        if real in taken:
            raise UsageError(f"{taken[real]} and {source}: both results would be {target}; denoise them apart")
        taken[real] = source


def _real(path: str) -> str:
    return path if is_url(path) else os.path.realpath(path)


def _progress(line: ProgressLine, target: str) -> Callable[[int, int], None]:
    """Moves a bar of length 1, and says something now and then."""
    before, said = 0.0, time.monotonic()

    def on_pixels(done: int, total: int) -> None:
        nonlocal before, said
        line.advance(done / total - before)
        before = done / total
        if time.monotonic() > said + PAUSE:
            said = time.monotonic()
            line.say(f"{target}: {100 * done // total} %")

    return on_pixels
