"""Every default, help text and check of settings. Imports no TensorFlow, so wrong settings are reported at once."""

from n2n_tf.config.exporting import FORMATS, HALVES, LEAST_MAX_PIXELS, MAX_PIXELS, MEMORIES, MEMORY, PIXELS, TILES
from n2n_tf.config.presets import IMAGE_SUFFIXES, MANIFEST, PRESETS, RAW_SUFFIXES, build_config
from n2n_tf.config.serving import ServeConfig
from n2n_tf.config.settings import (
    LostWorkerError,
    Range,
    RunError,
    StoppedError,
    UsageError,
    above,
    at_least,
    essence,
    flag,
    gist,
    limits_of,
    lookup,
    number_or_word,
)
from n2n_tf.config.training import Config, config_from

__all__ = [
    "FORMATS", "HALVES", "IMAGE_SUFFIXES", "LEAST_MAX_PIXELS", "MANIFEST", "MAX_PIXELS", "MEMORIES", "MEMORY",
    "PIXELS", "PRESETS", "RAW_SUFFIXES", "TILES", "Config", "LostWorkerError", "Range", "RunError", "ServeConfig",
    "StoppedError", "UsageError", "above", "at_least", "build_config", "config_from", "essence", "flag", "gist",
    "limits_of", "lookup", "number_or_word",
]  # fmt: skip
