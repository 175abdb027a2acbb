"""A comparison of methods, as a TOML file tells it: which runs, on which noises, scored on which images."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2n_tf.baselines.settings import BaselineSettings, baseline_of
from n2n_tf.config import UsageError, at_least, coerced, composed, lookup, named
from n2n_tf.data.settings import ImageSettings
from n2n_tf.methods.settings import DEFAULT_METHOD, METHODS
from n2n_tf.noise.settings import NOISES, NoiseSettings
from n2n_tf.tasks.comparison_file import STEPS, plain, published, read_tables
from n2n_tf.training.config import Config, config_from
from n2n_tf.training.presets import build_config, images_told

logger = logging.getLogger(__name__)

NOWHERE = "(no data)"  # stands for a folder
OF_IMAGES = ("data", "channels", "kind", "channel")  # what a denoiser without training takes of [settings]
LIMIT = at_least(0)  # of `images`
UNFIT = "not for this noise"


@dataclass(frozen=True)
class Cell:
    """One run of a comparison, or a denoiser that needs none.

    Attributes:
        row, noise: names; the row may be trained on a noise of its own.
        settings: of the run, flat; of a baseline those of the images; empty if it cannot be run.
        missing: why not.
        baseline: settings of a denoiser that needs no training set; None of a run.
        images: of each set that the baseline is given, one noise draw each; 0: all, as often as the others.
    """

    row: str
    noise: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""
    baseline: BaselineSettings | None = None
    images: int = 0

    @property
    def is_run(self) -> bool:
        """Whether there is something to train."""
        return not self.missing and self.baseline is None

    @property
    def form(self) -> tuple[int, str]:
        """Channels and kind of the images."""
        own = {name: value for name, value in self.settings.items() if name in OF_IMAGES}
        images = composed(ImageSettings, coerced(Config, {**own, **images_told(own)}))
        return images.channels, images.image_kind

    @property
    def name(self) -> str:
        """Of its folder, and for commands."""
        return f"{plain(self.row)}-{plain(self.noise)}"

    @property
    def homeless(self) -> bool:
        """Whether nothing says where its training images are; what a step costs does not depend on it."""
        return self.is_run and not self.settings.get("data")

    @property
    def whole(self) -> Mapping[str, Any]:
        """The settings, with something in the place of the training images."""
        return {**self.settings, "data": NOWHERE} if self.homeless else self.settings

    def config(self, **changed: Any) -> Config:
        """The run."""
        settings = {**self.whole, **changed}
        return build_config(settings, preset=settings.pop("preset", None))


@dataclass(frozen=True)
class Comparison:
    """What a TOML file tells.

    Attributes:
        equal: `STEPS` or `TIME`.
        tests: folders by name; or SIDD's files as `noisy`, `clean`, and `block_names` or `pattern`.
        cells: rows times noises.
        paper: by noise, row and test.
        added: by noise, what is added to clean test images, whatever a row was trained on.
    """

    equal: str
    tests: Mapping[str, "str | Mapping[str, str]"]
    cells: tuple[Cell, ...]
    paper: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]]
    added: Mapping[str, NoiseSettings]

    @property
    def noises(self) -> list[str]:
        """In their order."""
        return list(dict.fromkeys(cell.noise for cell in self.cells))

    def cell(self, name: str) -> Cell:
        """Raise UsageError unless there is one of this name."""
        return lookup({cell.name: cell for cell in self.cells}, name, "`only`")


def read_comparison(
    path: str | Path, changed: Mapping[str, Any], tests: Mapping[str, str], equal: str | None = None
) -> Comparison:
    """Read and check a comparison.

    Args:
        path: of the TOML file.
        changed: settings of all runs that win over the file's; those that no row's method has are refused.
        tests: folders that win over the file's.
        equal: wins over the file's.

    Raises:
        UsageError: it cannot be read, or does not tell what it must.
    """
    try:
        told = read_tables(Path(path))
        cells, paper = _cells(told, changed), published(told)
        added = {name: _noise({**told.get("settings", {}), **own, **changed}) for name, own in told["noises"].items()}
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    untrained = [cell.baseline for cell in cells if cell.baseline and cell.missing != UNFIT]
    for reason in dict.fromkeys(each.lacking for each in untrained if each.lacking):
        logger.warning("some rows are left out: %s", reason)
    return Comparison(str(equal or told.get("equal", STEPS)), {**told.get("tests", {}), **tests}, cells, paper, added)


def _cells(told: Mapping[str, Any], changed: Mapping[str, Any]) -> tuple[Cell, ...]:
    rows, noises = told["rows"], told["noises"]
    for name in changed:
        if setter := next((each for each, own in [*rows.items(), *noises.items()] if name in own), None):
            raise UsageError(f"`{name}`: is told by {setter!r}; leave it out, or change the file")
    cells = tuple(
        _cell(row, noise, {**told.get("settings", {}), **noises[noise]}, rows[row], changed)
        for noise in noises for row in rows
    )  # fmt: skip
    if len({cell.name for cell in cells}) < len(cells):
        raise UsageError("names of rows or noises that differ in no letter or digit")
    taken = {name for cell in cells for name in cell.settings}
    if unused := [name for name in changed if name not in taken]:
        raise UsageError(f"`{unused[0]}`: no row has a method that it has an effect on; leave it out")
    return cells


def _cell(row: str, noise: str, common: Mapping[str, Any], own: Mapping[str, Any], changed: Mapping[str, Any]) -> Cell:
    if missing := own.get("missing", ""):
        return Cell(row, noise, missing=str(missing))
    try:
        if "baseline" in own:
            return _untrained(row, noise, {**common, **changed}, own)
        for name in own:
            if lookup(named(Config), name, "setting").chooser == "noise" and "noise" not in own:
                raise UsageError(
                    f"`{name}`: belongs to [noises], so that all rows have the same; or to a row with a `noise` of its "
                    "own, which it is trained on"
                )
        if "noise" in own:
            levels = {name for name, each in named(Config).items() if each.chooser == "noise"}
            common = {name: value for name, value in common.items() if name not in levels}
        cell = Cell(row, noise, {**common, **changed, **own})
        if reason := _unfit(cell.settings):
            return Cell(row, noise, missing=reason)
        effective = config_from(_flat({**cell.whole, **images_told(cell.whole)})).flat
        cell = Cell(row, noise, {k: v for k, v in cell.settings.items() if k not in changed or k in effective})
        cell.config()  # for its errors
    except UsageError as error:
        raise UsageError(f"{row}, {noise}: {error}") from error
    return cell


def _noise(settings: Mapping[str, Any]) -> NoiseSettings:
    """Of all the settings of a run."""
    flat = _flat(settings)
    return composed(lookup(NOISES, str(flat.get("noise")), "`noise`"), flat)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the types that they have, without a preset."""
    return coerced(Config, {name: value for name, value in settings.items() if name != "preset"})


def _unfit(settings: Mapping[str, Any]) -> str:
    """Why the method cannot work with the noise of these settings; empty if it can."""
    flat, noise = _flat(settings), _noise(settings)
    method = composed(lookup(METHODS, flat.get("method", DEFAULT_METHOD), "`method`"), flat)
    try:
        method.check(noise)
    except UsageError:
        if method.known_sigma:  # of his own making, not of the noise's
            raise
        return UNFIT
    return ""


def _untrained(row: str, noise: str, common: Mapping[str, Any], own: Mapping[str, Any]) -> Cell:
    """A row's denoiser that needs no training set."""
    own = dict(own)
    name, images = str(own.pop("baseline")), own.pop("images", 0)
    baseline = baseline_of(name, **own)
    if type(images) is not int or images not in LIMIT:
        raise UsageError(f"`images` {images!r}: wanted how many of each set, {LIMIT}, or 0 for all")
    added = _noise(common)
    taken = (*OF_IMAGES, "noise", *named(type(added)))
    settings = {name: value for name, value in common.items() if name in taken}
    missing = f"needs n2n-tf[{baseline.package}]" if baseline.lacking else ""
    missing = UNFIT if added.name in baseline.unfit else missing
    return Cell(row, noise, settings, missing, baseline, images)
