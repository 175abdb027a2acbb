"""Every default, help text and check of settings. Imports no TensorFlow, so wrong settings are reported at once."""

from n2n_tf.config.exporting import FORMATS, HALVES, LEAST_MAX_PIXELS, MAX_PIXELS, MEMORY
from n2n_tf.config.presets import IMAGE_SUFFIXES, MANIFEST, PRESETS, RAW_SUFFIXES, build_config
from n2n_tf.config.serving import ServeConfig
from n2n_tf.config.settings import LostWorkerError, RunError, StoppedError, UsageError, essence, flag, gist, lookup
from n2n_tf.config.training import Config, config_from

__all__ = [
    "FORMATS", "HALVES", "IMAGE_SUFFIXES", "LEAST_MAX_PIXELS", "MANIFEST", "MAX_PIXELS", "MEMORY", "PRESETS",
    "RAW_SUFFIXES", "Config", "LostWorkerError", "RunError", "ServeConfig", "StoppedError", "UsageError",
    "build_config", "config_from", "essence", "flag", "gist", "lookup",
]  # fmt: skip
