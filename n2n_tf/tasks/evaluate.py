"""Score denoisers on test sets, as the paper does."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import keras

from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.baselines.settings import BASELINES, BaselineSettings
from n2n_tf.config import RunError, UsageError, lookup
from n2n_tf.config.kinds import COUNTS, MOSAIC, RGB, kind_by_count
from n2n_tf.data.finding import fixed_part, listing, reason
from n2n_tf.data.images import find_images
from n2n_tf.data.pairs import find_pairs
from n2n_tf.evaluation.blocks import block_sets
from n2n_tf.evaluation.metrics import WINDOW
from n2n_tf.evaluation.paper import REPEATS, TABLE_2, published
from n2n_tf.evaluation.protocol import PROTOCOLS, Case, Denoise, Draw, TestSet
from n2n_tf.evaluation.protocol import evaluate as cases_of
from n2n_tf.evaluation.results import Results
from n2n_tf.inference import Denoiser
from n2n_tf.noise import Noise
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks import NOISY
from n2n_tf.tasks.evaluated_range import range_for
from n2n_tf.value_range import UNIT, Told
from n2n_tf.weights import load_denoiser

logger = logging.getLogger(__name__)

Model: TypeAlias = "str | Path | keras.Model | BaselineSettings"


def evaluate(
    models: "Model | Mapping[str, Model]",
    data: str | Path | Sequence[str | Path] = (),
    noise: Noise | None = None,
    noisy: str | Path | None = None,
    clean: str | Path | None = None,
    protocol: str = "paper",
    repeats: int | None = None,
    affine: bool = False,
    value_range: Told = None,
    channels: int = COUNTS[RGB],
    **settings: Any,
) -> Results:
    """PSNR and SSIM of denoisers on clean images with added noise, or on pairs.

    Args:
        models: run directory, .keras file, network, or a denoiser that needs no training set, by its name in
            `BASELINES` or its settings; or several, by the name that they have in the results.
        data: sets of clean images: folders, globs, files.
        noise: added to them, of `n2n_tf.noise`, in units of the value range.
        noisy, clean: folders of noisy images and their clean partners, of the same names, instead.
        protocol: "paper" (rounded to 8 bits) or "float".
        repeats: noise draws for each image; None: the paper's on its sets, else 1.
        affine: fit a·x + b of each result to its clean image first.
        value_range: the images' intensities that count as 0 and 1, or a name of `RULES`; None: the models' own.
        channels: of the images, where no model tells it.
        settings: of `Denoiser`, for networks.

    Returns:
        The scores, also of the noisy images; `table()` and `summary(name)` tell them. Images that a denoiser gave no
        result of are in `failed`, and told as a warning.

    Raises:
        UsageError: no denoisers, of different channels, neither sets nor pairs, or settings without a network.
        RunError: no usable image, one that cannot be scored, or none that a denoiser could take.
        ValueError: settings that a `Denoiser` does not take.
    """
    if bool(data) == (noisy is not None) or (noisy is None) != (clean is None) or bool(data) != (noise is not None):
        raise UsageError("wanted `data` (clean images) with `noise`, or both `noisy` and `clean`")
    named = models if isinstance(models, Mapping) else {"denoised": models}
    if not named or NOISY in named:
        raise UsageError(f"models: {', '.join(named) or 'none'}; wanted one at least, and none named {NOISY!r}")
    denoisers = _denoisers(named, channels, settings)
    form = form_of(denoisers)
    if noise is None:
        sets, skipped = pair_sets(str(noisy), str(clean), *form)
    else:
        several = [data] if isinstance(data, str | Path) else data
        sets, skipped = noise_sets([str(each) for each in several], noise, *form, repeats)
    there = published(str(noise)) if protocol == "paper" and not affine else {}
    results = Results(there, affine=affine, skipped=skipped)
    check_scored(score(sets, denoisers, results, protocol, value_range, quiet=True))
    if results.failed:
        logger.warning("%s", without_score(results))
    return results


def score(
    sets: Sequence[TestSet],
    denoisers: Mapping[str, Denoiser],
    results: Results,
    protocol: str,
    value_range: Told = None,
    on_case: Callable[[Case], None] = lambda case: None,
    quiet: bool = False,
    wanted: Callable[[str, Draw], bool] = lambda name, draw: True,
) -> Results:
    """Put the scores of all denoisers, made for images of the range 0 to 1, and of the noisy images into `results`.

    Args:
        sets, denoisers, results, protocol, value_range: as for `evaluate`.
        on_case: is told of each case.
        quiet: show no progress.
        wanted: whether the denoiser of a name is given a draw; the noisy images always are.

    Raises:
        UsageError: denoisers of several ranges, and none is said; no such protocol.
        RunError: an image that cannot be read, or needs more memory.
    """
    rules, shown = lookup(PROTOCOLS, protocol, "`protocol`")(), range_for(value_range, denoisers, sets)
    with ProgressLine("evaluating", sum(len(each.clean) * each.repeats for each in sets), quiet=quiet) as line:
        try:
            everything: dict[str, Denoise] = {NOISY: lambda image: image, **denoisers}
            for case in cases_of(sets, everything, rules, results.affine, shown, wanted):
                results.add(case)
                on_case(case)
                line.advance()
                if case.page == case.set.clean[-1]:
                    line.say(f"{case.set.name}, draw {case.repeat + 1} of {case.set.repeats}")
        except (ValueError, MemoryError) as error:
            raise RunError(f"{reason(error)}; no scores were written") from error
    return results


def check_scored(results: Results) -> None:
    """Raise RunError if the denoisers gave no result at all."""
    if results.failed and {row[1] for row in results.rows} == {NOISY}:
        raise RunError(f"{without_score(results)}\nno scores were written")


def check_whole(results: Results) -> None:
    """Raise RunError if a denoiser gave no result of an image."""
    if results.failed:
        raise RunError(without_score(results))


def without_score(results: Results) -> str:
    """What to tell of `Results.failed`."""
    return f"without a score, {len(results.failed)} in all:\n{listing(results.lacking(), most=len(results.failed))}"


def _denoisers(named: Mapping[str, Model], channels: int, settings: Mapping[str, Any]) -> dict[str, Denoiser]:
    """Those of the models; those that need no training are for the images that the others take."""
    untrained = {name: m for name, m in named.items() if isinstance(m, BaselineSettings) or str(m) in BASELINES}
    if settings and len(untrained) == len(named):
        raise UsageError(f"`{next(iter(settings))}`: is for networks, and no model is one; leave it out")
    trained = {
        name: Denoiser(m if isinstance(m, keras.Model) else load_denoiser(m), value_range=UNIT, **settings)
        for name, m in named.items() if not isinstance(m, BaselineSettings) and name not in untrained
    }  # fmt: skip
    form = form_of(trained) if trained else (channels, kind_by_count(channels))
    found = {name: m if isinstance(m, BaselineSettings) else str(m) for name, m in untrained.items()}
    return {name: trained[name] if name in trained else Baseline(found[name], *form, UNIT) for name in named}


def form_of(denoisers: Mapping[str, Denoiser]) -> tuple[int, str]:
    """Channels and kind of the images that all of them take.

    Raises:
        UsageError: they differ.
    """
    forms = {(denoiser.channels, denoiser.kind) for denoiser in denoisers.values()}
    channels = sorted({channels for channels, _ in forms})
    if len(channels) > 1:
        raise UsageError(f"models of {channels} channels cannot be compared on the same images")
    if len(forms) > 1:
        raise UsageError("a model of raw mosaics and one of 4 channels cannot be compared on the same images")
    return forms.pop()


def noise_sets(
    data: Sequence[str], noise: Noise, channels: int, kind: str, repeats: int | None
) -> tuple[list[TestSet], dict[str, str]]:
    """Sets of clean images, those of the paper first and in its order, and the files that cannot be used."""
    paths = {_set_name(path): path for path in data}
    if len(paths) < len(data):
        raise UsageError("`data`: sets of one name cannot be told apart in the table; rename a folder")
    order = {name: number for number, name in enumerate(REPEATS)}
    sets, skipped = [], {}
    for name in sorted(paths, key=lambda name: order.get(name.lower(), len(order))):
        images = find_images([paths[name]], channels, WINDOW, kind=kind)
        skipped.update(images.skipped)
        sets.append(TestSet(name, images.pages, noise, repeats or REPEATS.get(name.lower(), 1)))
    return sets, skipped


def pair_sets(noisy: str, clean: str, channels: int, kind: str) -> tuple[list[TestSet], dict[str, str]]:
    """Two folders of images of the same names, and the files that cannot be used."""
    images, partners, skipped = find_pairs(noisy, clean, channels, WINDOW, kind)
    return [TestSet(Path(os.path.abspath(noisy)).name, partners, images)], skipped


def sidd_sets(
    noisy: str, clean: str, names: str | None, pattern: str | None, channels: int, kind: str
) -> tuple[list[TestSet], Mapping[str, Mapping[str, tuple[float, float]]]]:
    """SIDD's blocks, and what the paper tells of them.

    Raises:
        UsageError: denoisers of other images.
    """
    check_raw(channels, kind)
    return block_sets(noisy, clean, names, pattern), TABLE_2 if names else {}


def check_raw(channels: int, kind: str) -> None:
    """Raise UsageError if a denoiser is none of raw."""
    if kind != MOSAIC:
        raise UsageError(f"MODEL: takes images of {channels} channels; raw blocks want one trained on raw, with 4")


def _set_name(path: str) -> str:
    """The name of the folder or file; of a glob the folder that its matches lie under."""
    path = os.path.abspath(path)
    return os.path.basename(path if os.path.exists(path) else fixed_part(path))
