"""`n2n-tf denoise`: image files in, denoised image files out."""

import argparse
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import tifffile

from n2n_tf.cli import zarrs
from n2n_tf.cli.flags import Number
from n2n_tf.cli.quiet import quiet_import
from n2n_tf.config import (
    MEMORIES,
    MEMORY,
    RAW_SUFFIXES,
    TILES,
    RunError,
    UsageError,
    limits_of,
    number_or_word,
)
from n2n_tf.data.finding import find_files, listing, reason
from n2n_tf.files import write
from n2n_tf.formats import bayer, raw, readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.tiff import ome
from n2n_tf.formats.writers import write_like
from n2n_tf.progress import ProgressLine

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from n2n_tf.inference import Denoiser
    from n2n_tf.value_range import Told

HELP = "denoise image files"
RENDERINGS: dict[str, tuple[str, Callable[[Path, np.ndarray], object]]] = {
    "png": (".png", lambda path, image: path.write_bytes(imagecodecs.png_encode(image))),
    "tiff": (".tif", lambda path, image: tifffile.imwrite(path, image, photometric="rgb", compression="zlib")),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("model", type=os.path.expanduser, metavar="MODEL", help="run directory or .keras file")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files (PNG, JPEG, BMP, WebP, TIFF, raw, OME-Zarr), folders, globs in quotes",
    )
    parser.add_argument(
        "--output", type=os.path.expanduser, metavar="DIR", help="folder for the results, under the names of the inputs"
    )
    parser.add_argument("--suffix", default="", help="added to each name, for instance _denoised")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs; without it they are kept")
    parser.add_argument(
        "--ensemble", action="store_true", help="mean over 8 flips and rotations; takes 8 times as long"
    )
    parser.add_argument(
        "--render", choices=sorted(RENDERINGS), help="also write LibRaw's rendering of each raw file, with 16 bits"
    )
    parser.add_argument(
        "--range", nargs="+", type=number_or_word, metavar="RANGE",
        help="for images in other units than the model's: their intensities that count as 0 and 1, LOW HIGH; dtype: "
        "the whole of their type; auto: where nearly all pixels of each image lie (default: the model's own)",
    )  # fmt: skip
    add_size_arguments(parser)


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags for images larger than memory."""
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--memory",
        type=float,
        action=Number,
        within=MEMORIES,
        metavar="GB",
        help=f"resident memory to use (default: {MEMORY:g})",
    )
    sizes.add_argument(
        "--tile", type=int, action=Number, within=TILES, metavar="N", help="side of the tiles instead, in pixels"
    )


def build_denoiser(
    path: str, args: argparse.Namespace, any_channels: bool = False, value_range: "Told" = None
) -> "Denoiser":
    """The denoiser of a file, with --ensemble and the flags of `add_size_arguments`."""
    with quiet_import():
        from n2n_tf.inference import Denoiser, load_denoiser
    sizes = {name: getattr(args, name) for name in ("memory", "tile") if getattr(args, name) is not None}
    network = load_denoiser(path)
    if args.ensemble and network.inputs[0].shape[-1] == bayer.CHANNELS:
        raise UsageError("--ensemble with a raw model: flips would displace the colours of a mosaic; leave it out")
    try:
        return Denoiser(network, ensemble=args.ensemble, any_channels=any_channels, value_range=value_range, **sizes)
    except ValueError as error:
        raise UsageError(f"--{error}") from error


def run(args: argparse.Namespace) -> None:
    """Denoise each file; the rest goes on where one fails.

    Raises:
        UsageError: nothing was done.
        RunError: some files failed; the text lists them.
    """
    told = None if args.range is None else limits_of(args.range) or str(args.range[0])
    groups, inputs = zarrs.plan(args.inputs, args.output, args.suffix)
    targets, earlier = plan(inputs, args.output, args.suffix, args.render)
    if not targets and not groups:
        raise UsageError(f"no image in {' '.join(args.inputs)}")
    denoiser = build_denoiser(args.model, args, any_channels=True, value_range=told)
    if args.output and targets:
        os.makedirs(args.output, exist_ok=True)  # fail now if it cannot be made

    kept = {s for s, target in targets.items() if target.exists() and (not args.overwrite or s in earlier.values())}
    failed: dict[str, str] = {}
    files: dict[str, list[Page]] = {}
    for source in (source for source in targets if source not in kept):
        try:
            pages = readers.pages(source)
            ome.check_set(source, targets)
            files[source] = pages
        except (UnusableImageError, OSError) as error:
            failed[source] = reason(error)
    pixels = sum(page.height * page.width for pages in files.values() for page in pages)
    with ProgressLine("denoising", pixels) as line:
        for number, (source, pages) in enumerate(files.items(), 1):
            try:
                denoise_file(denoiser, pages, targets[source], line.advance)
                line.say(f"{number}/{len(files)} {targets[source]}")
            except (ValueError, OSError, MemoryError) as error:
                failed[source] = reason(error)
    for target in rendered_from(targets.values(), args.render):
        try:
            render(target, args.render, args.overwrite and str(rendering_path(target, args.render)) not in earlier)
        except (ValueError, OSError) as error:
            failed[str(target)] = reason(error)
    failed.update(zarrs.denoise(denoiser, groups, args.overwrite))
    if earlier:
        print(f"{len(earlier)} inputs have the names of results, were taken for such and left alone:")
        print(listing({path: f"result of {source}" for path, source in earlier.items()}))
    if kept:
        print(f"{len(kept)} outputs exist already and were kept; --overwrite replaces those that are no inputs")
    if failed:
        raise RunError(
            f"{len(failed)} of {len(targets) + len(groups)} files failed:\n" + listing(failed, most=len(failed))
        )


def plan(
    inputs: Sequence[str], output: str | None, suffix: str, rendering: str | None = None
) -> tuple[dict[str, Path], dict[str, str]]:
    """Where the result of each input goes; a raw file may have its rendering beside it, of a kind of `RENDERINGS`.

    Returns:
        Input -> its result; and the inputs that are the result of another, as those of an earlier run are -> that
        other. They are not denoised, nor ever replaced.

    Raises:
        UsageError: an input that does not exist, or results that would replace their input or each other.
    """
    if output is None and not suffix:
        raise UsageError("no --output: name a folder, or give a --suffix to write beside the inputs")
    if os.sep in suffix:
        raise UsageError(f"--suffix {suffix}: is part of a file name; name the folder with --output")
    targets: dict[str, Path] = {}
    for source, root in find_files(inputs, "INPUT").items():
        path = Path(source)
        folder = Path(os.path.abspath(output)) / path.parent.relative_to(root) if output else path.parent
        kind = ".dng" if path.suffix.lower() in RAW_SUFFIXES - {".dng"} else path.suffix
        targets[source] = folder / f"{path.stem}{suffix}{kind}"
    sources = {os.path.realpath(source): source for source in targets}
    results: dict[str, str] = {}
    for source, target in targets.items():
        for result in (target, *(rendering_path(path, rendering) for path in rendered_from([target], rendering))):
            real = os.path.realpath(result)
            if real == os.path.realpath(source):
                raise UsageError(f"{source}: would be replaced by its result; give a --suffix or another --output")
            if real in results:
                raise UsageError(f"{results[real]} and {source}: both results would be {result}; denoise them apart")
            results[real] = source
    earlier = {sources[real]: source for real, source in results.items() if real in sources}
    return {source: target for source, target in targets.items() if source not in earlier}, earlier


def denoise_file(denoiser: "Denoiser", pages: list[Page], target: Path, advance: Callable[[float], None]) -> None:
    """Denoise the pages of one file into another of its format.

    Raises:
        UnusableImageError, ValueError: an image that cannot be read, denoised or written.
        OSError: a file cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    images = ((page.number, _denoised(denoiser, page, advance)) for page in pages)
    write(target, lambda temporary: write_like(pages[0].path, temporary, images))


def rendered_from(targets: Iterable[Path], kind: str | None) -> list[Path]:
    """The raw files among results that are to be rendered."""
    return [path for path in targets if kind and path.suffix.lower() == ".dng"]


def rendering_path(path: Path, kind: str | None) -> Path:
    """Where the rendering of a raw file goes."""
    return path.with_name(f"{path.stem}_rendered{RENDERINGS[kind][0]}") if kind else path


def render(path: Path, kind: str, overwrite: bool) -> None:
    """Write LibRaw's rendering of a raw file beside it, unless it is there or the file is not.

    Raises:
        UnusableImageError, OSError: it cannot be read, or the picture not written.
    """
    target = rendering_path(path, kind)
    if path.exists() and (overwrite or not target.exists()):
        picture = raw.rendered(path)
        write(target, lambda temporary: RENDERINGS[kind][1](temporary, picture))


def _denoised(denoiser: "Denoiser", page: Page, advance: Callable[[float], None]) -> np.ndarray:
    """One page, [H, W, C], in its own dtype (1 bit becomes 8); alpha as it was."""
    if page.is_raw != (denoiser.channels == bayer.CHANNELS):
        wanted = f"images of {denoiser.channels} channels" if page.is_raw else "raw files"
        raise UnusableImageError(f"{'a' if page.is_raw else 'no'} raw file; this model takes {wanted}")
    image = readers.read(page)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    colors = image[..., : page.colors]
    if other := denoiser.misfit(colors):
        logger.warning("%s: %s", page, other)
    denoised = denoiser(colors, advance)
    return np.concatenate([denoised, image[..., page.colors :]], axis=-1) if image.shape[-1] > page.colors else denoised
