"""Settings of a training run, composed of those of its parts, and the checks between them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from n2n_tf.config import UsageError, changed, coerced, composed, flattened, group, lookup, part
from n2n_tf.data.settings import CropSettings, ImageSettings
from n2n_tf.methods.base_settings import DEEPEST
from n2n_tf.methods.settings import DEFAULT_METHOD, METHODS, MethodSettings
from n2n_tf.noise.settings import NOISES, NoiseSettings
from n2n_tf.training.settings import NetworkSettings, OptimizerSettings, RunSettings


@dataclass(frozen=True)
class Config:
    """One training run. Each setting is a flag of `n2n-tf train` and a key of its TOML files, wherever it is here."""

    images: ImageSettings = group(ImageSettings)
    noise: NoiseSettings = part(NOISES, None, "noise added to the images; gaussian for the sample images")
    crops: CropSettings = group(CropSettings)
    method: MethodSettings = part(METHODS, DEFAULT_METHOD, "training method")
    network: NetworkSettings = group(NetworkSettings)
    optimizer: OptimizerSettings = group(OptimizerSettings)
    run: RunSettings = group(RunSettings)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise UsageError(problem)

    @property
    def wants(self) -> str | None:
        """What must come with each training image: targets, unless they are made of clean images and noise."""
        return self.method.target if self.noise.name == "none" else None

    @property
    def flat(self) -> dict[str, Any]:
        """All settings that have an effect, by name."""
        return flattened(self)

    @property
    def own(self) -> dict[str, Any]:
        """Of these, what is not the default."""
        return changed(self)

    def candidates(self) -> tuple[Config, ...]:
        """What trials choose from where a setting is left to them; itself alone if none is."""
        return tuple(dataclasses.replace(self, method=method) for method in self.method.candidates())

    def having(self, settings: Mapping[str, Any]) -> Config:
        """The same with some other settings, by name."""
        return config_from({**self.flat, **settings})

    def going_on(self) -> Config:
        """The same without what its first step alone needs."""
        return dataclasses.replace(self, network=dataclasses.replace(self.network, weights=""))

    def to_json(self) -> str:
        return json.dumps(self.flat, indent=2)

    def on(self, strategy: str) -> Config:
        """The same, with another tf.distribute strategy."""
        return dataclasses.replace(self, run=dataclasses.replace(self.run, strategy=strategy))


def config_from(settings: Mapping[str, Any]) -> Config:
    """A Config from flat values as JSON and TOML have them; what is left out has its default.

    Raises:
        UsageError: as `build_config`.
    """
    flat = coerced(Config, settings)
    method = lookup(METHODS, flat.get("method", DEFAULT_METHOD), "`method`")
    return composed(Config, {"network": method.network, **_crops(method, flat), **flat})


def _crops(method: type, flat: Mapping[str, Any]) -> dict[str, int]:
    """The sides that a method wants where nothing is said of them, if they are larger than usual; then fewer crops."""
    usual, side = CropSettings(), 0 if "patch_size" in flat else DEEPEST * composed(method, flat).divides
    return {"patch_size": side, **usual.fewer(side, 1)} if side > usual.patch_size else {}


def _problems(c: Config) -> Iterable[str]:
    if c.noise is None and c.images.data:
        yield "`data` without `noise`: say `noise` none if the images are noisy, or which noise to add to clean ones"
    if not c.images.data and getattr(c.noise, "name", "none") == "none":
        yield "no `noise`: the sample images are clean; give your noisy images with `data`, or say which noise to add"
    c.method.check(c.noise)
    multiple = DEEPEST * c.method.divides
    if (side := c.crops.patch_size) % multiple:
        better = max(1, round(side / multiple)) * multiple
        batch = "".join(f" with `batch_size` {crops}" for crops in c.crops.fewer(better, 1).values())
        yield (
            f"`patch_size` {side}: wanted a multiple of {multiple}, since `method` {c.method.name} divides the sides "
            f"of a crop by {c.method.divides} and the network by {DEEPEST}; try {better}{batch}"
        )
    if c.images.target and not c.wants:
        yield (
            f"`target` with `method` {c.method.name} and `noise` {c.noise.name}: has no effect; it is for n2c and "
            "noise2noise with `noise` none"
        )
