"""The run directory: what a run writes, and nothing half-written."""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from n2n_tf.compat import reads_files_of
from n2n_tf.config import UsageError, coerced
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.data.sources import source_from_json
from n2n_tf.files import write, write_json
from n2n_tf.inference import in_range, save_denoiser
from n2n_tf.inspection.measured import Measured, measured_from, noise_from
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.training.build import check_names
from n2n_tf.training.config import Config, config_from
from n2n_tf.training.records import FORMAT, read_config, read_json, read_rows, undamaged
from n2n_tf.value_range import ValueRange

logger = logging.getLogger(__name__)

EARLIER = {"targets": 1, "clip_gradients": 0.0}  # of runs of versions that had no such settings


class RunDirectory:
    """Paths and files of one run.

    config.json · images.json (the frozen lists) · inspection.json (what noise they have, if they come noisy) ·
    trials.json (what they chose) · checkpoints/ · denoiser.keras and .weights.h5 · history.csv · tensorboard/ ·
    samples/*.png · report.json, .html · teacher/ (the first stage of a run that has two, as this one)
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.images = self.path / "images.json"
        self.inspection = self.path / "inspection.json"
        self.trials = self.path / "trials.json"
        self.checkpoints = self.path / "checkpoints"
        self.denoiser = self.path / "denoiser.keras"
        self.history = self.path / "history.csv"
        self.tensorboard = self.path / "tensorboard"
        self.samples = self.path / "samples"
        self.report = self.path / "report.json"
        self.page = self.path / "report.html"

    @property
    def begun(self) -> bool:
        """Whether it holds a run."""
        return self.config.exists()

    def create(
        self, config: Config, training: Source, held_out: HeldOutSource, environment: Mapping[str, Any],
        found: Mapping[str, Any] | None = None, chosen: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Begin a run.

        Args:
            config, training, held_out, environment: of the run.
            found: what noise its images have, as `Report.to_json` gives it, if they come noisy.
            chosen: the settings that were left to that.

        Raises:
            UsageError: the directory holds a run already, or is a file.
            OSError: it cannot be written.
        """
        self.check_free()
        self.samples.mkdir(parents=True, exist_ok=True)
        lists = {"training": training.to_json(), "held_out": held_out.to_json()}
        write_json(self.images, lists, indent=None)
        if found:
            write_json(self.inspection, found)
        limits = training.value_range and list(training.value_range)
        saved = {"format": FORMAT, "config": json.loads(config.to_json()), "chosen": chosen or {}}
        saved |= {"value_range": limits, "environment": environment}
        write_json(self.config, saved)  # last: config.json is what makes a directory a run

    def check_free(self) -> None:
        """Raise UsageError if the directory cannot take a new run."""
        if self.begun:
            raise UsageError(f"`output` {self.path}: holds a run already; continue it with `resume`, or name another")
        if self.checkpoints.exists():
            raise UsageError(f"`output` {self.path}: holds checkpoints of another run; remove them, or name another")
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"`output` {self.path}: is a file; name a directory")

    def settings(self) -> Config:
        """Of the run that it holds.

        Raises:
            UsageError: it holds none.
            RunError: they are damaged, or of a later version.
        """
        if not self.begun:
            raise UsageError(f"`resume` `output` {self.path}: holds no run; leave `resume` out to begin one")
        with undamaged(self.config):
            config = config_from({**EARLIER, **self._saved("config")})
            check_names(config)
        return config

    def as_begun(self, config: Config) -> Config:
        """The same, where settings that the run's version did not have are left to their default: as they were then."""
        with undamaged(self.config):
            lacking = EARLIER.keys() - self._saved("config").keys() - config.own.keys()
        return config.having({name: EARLIER[name] for name in lacking if name in config.flat})

    def open(self, channels: int, environment: Mapping[str, Any]) -> tuple[Source, HeldOutSource]:
        """Training and held-out images of the run that it holds; warns if the environment has changed.

        Raises:
            UsageError: it was begun by Keras 2, and this is Keras 3, or the other way round.
            RunError: their list is damaged, or they are others now.
        """
        with undamaged(self.config):
            before = self._saved("environment")
            same_keras = reads_files_of(before["keras"])
            limits = read_config(self.config).get("value_range")  # runs of earlier versions have none
            value_range = limits and ValueRange(*map(float, limits))
        if not same_keras:
            raise UsageError(
                f"`output` {self.path}: begun with Keras {before['keras']}, whose checkpoints Keras "
                f"{keras.__version__} cannot read; go on with the former, or begin a new run"
            )
        with undamaged(self.images):
            lists = read_json(self.images)
            training, held_out = (source_from_json(lists[name], channels) for name in ("training", "held_out"))
            training.value_range = held_out.value_range = value_range
        for name, now in environment.items():
            if before.get(name, now) != now:
                logger.warning(
                    "%s was %s and is %s: the weights will not equal those of an uninterrupted run bit for bit",
                    name, before[name], now,
                )  # fmt: skip
        return training, held_out

    def inspected(self) -> tuple[dict[str, Any] | None, Measured | None]:
        """What noise the images have, as `Report.to_json` gave it, and for `sure`, where that holds; None if not known.

        Raises:
            RunError: the file is damaged.
        """
        if not self.inspection.exists():
            return None, None
        with undamaged(self.inspection):
            found = read_json(self.inspection)
            return found, None if found["obstacle"] else measured_from(found)

    def tried(self) -> dict[str, Any] | None:
        """The scores of trials, and what they chose; None if there were none.

        Raises:
            RunError: the file is damaged.
        """
        return read_json(self.trials) if self.trials.exists() else None

    def noise(self, channels: int, independent: bool = False) -> MeasuredNoise | None:
        """What noise the images have, as `noise_from` tells it; None if it is not known.

        Raises:
            RunError: the file is damaged.
        """
        if not self.inspection.exists():
            return None
        with undamaged(self.inspection):
            return noise_from(read_json(self.inspection), channels, independent)

    def found(self) -> dict[str, Any]:
        """The settings that what was found of the images chose; runs of earlier versions have none.

        Raises:
            RunError: they are damaged.
        """
        with undamaged(self.config):
            return coerced(Config, read_config(self.config).get("chosen", {}))

    def chosen(self) -> dict[str, Any]:
        """The settings that trials chose.

        Raises:
            RunError: their file is damaged or gone.
        """
        with undamaged(self.trials):
            return coerced(Config, (self.tried() or {})["chosen"])

    def _saved(self, part: str) -> dict[str, Any]:
        saved = read_config(self.config)[part]
        if not isinstance(saved, dict):
            raise TypeError(f"`{part}` is of type {type(saved).__name__}; wanted an object")
        return saved

    def forget_from(self, epoch: int) -> None:
        """Drop the rows of history.csv that a resumed run will write again.

        Raises:
            RunError: it is damaged.
        """
        if not self.history.exists():
            return
        lines = read_rows(self.history)
        kept = lines[:1] + [row for row in lines[1:] if int(row[0]) < epoch]

        def rewrite(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(kept)

        write(self.history, rewrite)

    def save_denoiser(self, network: keras.Model, value_range: ValueRange | None) -> None:
        """Write denoiser.keras: stock layers, loads with plain Keras. Its weights beside it are for Keras 2."""
        save_denoiser(in_range(network, value_range), self.denoiser)
