"""Denoisers that need no training set, where the command line takes a MODEL."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from n2n_tf.baselines.settings import BASELINES, BaselineSettings, Chosen, baseline_of
from n2n_tf.cli.flags import add_flags, given
from n2n_tf.config import UsageError, flag, named

if TYPE_CHECKING:
    from n2n_tf.baselines.denoiser import Baseline
    from n2n_tf.value_range import Told

ABOUT = ", ".join(f"{name} ({each.about})" for name, each in BASELINES.items())
OF_NETWORKS = ("ensemble", "memory", "tile", "adapt", "uncertainty")  # flags


def add_baseline_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of their settings."""
    add_flags(parser, Chosen, named(Chosen).keys() - {"baseline"})


def check_baselines(args: argparse.Namespace, models: Iterable[str]) -> dict[str, BaselineSettings]:
    """The settings of those models that are names of `BASELINES`, by name.

    Raises:
        UsageError: a flag that has no effect on any of the models, or a package that is not installed.
    """
    models = list(models)
    found = {name: baseline_of(name, **_own(args, name)) for name in models if name in BASELINES}
    for name in given(args, Chosen):
        if not any(name in _own(args, each) for each in found):
            owners = " or ".join(each for each in BASELINES if name in named(BASELINES[each]))
            raise UsageError(f"{flag(name)}: is for MODEL {owners}; leave it out")
    for name in OF_NETWORKS:
        if len(found) == len(models) and getattr(args, name, None):
            raise UsageError(f"{flag(name)} with MODEL {models[0]}: is for networks; leave it out")
    for name, settings in found.items():
        if settings.lacking:
            raise UsageError(f"MODEL {name}: {settings.lacking}")
    return found


def build_baseline(
    name: str, args: argparse.Namespace, channels: int, kind: str, value_range: "Told" = None
) -> "Baseline":
    """The denoiser of a name, with its flags."""
    from n2n_tf.baselines.denoiser import Baseline

    return Baseline(baseline_of(name, **_own(args, name)), channels, kind, value_range)


def _own(args: argparse.Namespace, name: str) -> dict[str, object]:
    """The flags that one of them has."""
    own = named(BASELINES[name])
    return {each: value for each, value in given(args, Chosen).items() if each in own}
