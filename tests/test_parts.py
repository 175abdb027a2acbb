"""The newcomer's count: a new part is its own class and one place in a table; flags, files, checks and runs follow."""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar

import keras
import pytest
import tensorflow as tf

from n2n_tf.cli.flags import add_flags, given
from n2n_tf.config import UsageError, above, checked, setting
from n2n_tf.methods.base import Method, squared
from n2n_tf.methods.samplers import SAMPLERS, FixedSettings
from n2n_tf.methods.settings import METHODS, MethodSettings
from n2n_tf.noise.settings import NOISES, Synthetic
from n2n_tf.sampling import Fixed
from n2n_tf.training.begin import train
from n2n_tf.training.config import Config, config_from
from n2n_tf.training.presets import build_config
from n2n_tf.training.schedules import SCHEDULES
from tests.runs import SMALL, rows

pytestmark = pytest.mark.usefixtures("two_layers")


class Speckle:
    """noisy = clean·(1 + strength·n)."""

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, clean, seed):
        return clean * (1 + self.strength * tf.random.stateless_normal(tf.shape(clean), seed))


@dataclass(frozen=True)
class SpeckleSettings(Synthetic):
    name: ClassVar[str] = "speckle"
    about: ClassVar[str] = "of this test"
    strength: float = setting(0.1, "of speckle", within=above(0, 1))

    def build(self):
        return Speckle(self.strength)


class Doubled(Method):
    """f(y) is to be y/2, and the denoiser twice that."""

    def losses(self, noisy, second):
        return {"loss": squared(self.network(noisy, training=True) - noisy / 2)}, None

    def denoiser(self):
        twice = keras.layers.Rescaling(2.0, name="doubled")(self.network.output)
        return keras.Model(self.network.input, twice)


@dataclass(frozen=True)
class DoubledSettings(MethodSettings):
    name: ClassVar[str] = "doubled"
    about: ClassVar[str] = "of this test"
    network: ClassVar[str] = "dncnn"  # its own default

    def build(self, network, setup):
        return Doubled(network, setup.seed)


@dataclass(frozen=True)
class LastSettings(FixedSettings):
    name: ClassVar[str] = "last"
    about: ClassVar[str] = "of this test"

    def build(self):
        return Fixed(self.cell)


@dataclass(frozen=True)
class Linear:
    name: ClassVar[str] = "linear"
    about: ClassVar[str] = "of this test"
    end: float = setting(0.1, "of the highest rate", within=above(0, 1))

    def __post_init__(self):
        checked(self)

    def build(self, highest, steps):
        return keras.optimizers.schedules.PolynomialDecay(highest, steps, highest * self.end)


@pytest.fixture(autouse=True)
def _parts(monkeypatch):
    for table, part in (
        (NOISES, SpeckleSettings),
        (METHODS, DoubledSettings),
        (SAMPLERS, LastSettings),
        (SCHEDULES, Linear),
    ):
        monkeypatch.setitem(table, part.name, part)


NEW = {
    "noise": {"noise": "speckle", "strength": 0.3},
    "method": {"noise": "gaussian", "method": "doubled"},
    "sampler": {"noise": "gaussian", "sampler": "last", "cell": 2},
    "schedule": {"noise": "gaussian", "learning_rate_schedule": "linear", "end": 0.5},
}

CHOOSER = {"noise": "noise", "method": "method", "sampler": "sampler", "schedule": "learning_rate_schedule"}


@pytest.mark.parametrize("what", NEW)
def test_a_new_part_has_flags_and_is_read_again(what):
    parser = argparse.ArgumentParser()
    add_flags(parser, Config)
    flags = [word for name, value in NEW[what].items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert f"{NEW[what][CHOOSER[what]]} (of this test)" in " ".join(parser.format_help().split())
    config = build_config({"data": ["x"], **given(parser.parse_args(flags), Config)})
    assert {name: config.flat[name] for name in NEW[what]} == NEW[what]
    assert config_from(json.loads(config.to_json())) == config


def test_its_settings_have_a_range_and_no_effect_elsewhere():
    with pytest.raises(UsageError, match=r"`strength` 2.0: wanted above 0 and at most 1"):
        build_config({"data": ["x"], "noise": "speckle", "strength": 2.0})
    with pytest.raises(UsageError, match=r"`strength` has no effect with `noise` poisson: .* say `noise` speckle"):
        build_config({"data": ["x"], "noise": "poisson", "strength": 0.2})
    with pytest.raises(UsageError, match="`end` has no effect with `learning_rate_schedule` cosine"):
        build_config({"data": ["x"], "noise": "poisson", "end": 0.2})


def test_a_method_brings_its_network():
    assert build_config({"data": ["x"], **NEW["method"]}).network.network == "dncnn"
    assert build_config({"data": ["x"], **NEW["method"], "network": "unet"}).network.network == "unet"


def test_a_run_of_new_parts(photos, tmp_path):
    parts = {**NEW["schedule"], **NEW["method"], **NEW["noise"]}
    settings = {**SMALL, **parts, "network": "dncnn", "epochs": 1, "features": 2}
    train(config_from({"data": [str(photos)], **settings}), tmp_path / "run")
    assert "val_psnr" in rows(tmp_path / "run")[0]
    saved = keras.models.load_model(tmp_path / "run" / "denoiser.keras")
    assert "doubled" in [layer.name for layer in saved.layers]  # its test-time formula


def test_config_makes_few_stops():
    """Parameters of type Config in the package: each room is given what it needs."""
    from pathlib import Path

    package = Path(__file__).parents[1] / "n2n_tf"
    texts = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    stops = {name: text.count("config: Config") for name, text in texts.items() if "config: Config" in text}
    assert sum(stops.values()) <= 17, stops
    assert {name.split("/")[0] for name in stops} <= {"training", "cli", "tasks"}


def test_settings_are_plain_values():
    for part in (*NOISES.values(), *METHODS.values(), *SAMPLERS.values(), *SCHEDULES.values()):
        assert dataclasses.is_dataclass(part)
        assert part.__doc__
        assert part.name == part().name
