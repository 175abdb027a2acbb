"""What settings are made of: values, ranges, tables, errors. Imports no TensorFlow, so wrong ones are told at once."""

from n2n_tf.config.compose import (
    changed,
    checked,
    coerced,
    composed,
    flattened,
    group,
    named,
    part,
    parts,
    refuse_without_effect,
)
from n2n_tf.config.exporting import (
    ADAPTED,
    FORMATS,
    HALVES,
    LEAST_MAX_PIXELS,
    MAX_PIXELS,
    MEMORIES,
    MEMORY,
    PACKAGE,
    PIXELS,
    SECONDS,
    TILES,
    PackageSettings,
)
from n2n_tf.config.kinds import IMAGE_SUFFIXES, MANIFEST, RAW_SUFFIXES
from n2n_tf.config.serving import ServeConfig
from n2n_tf.config.settings import (
    LostWorkerError,
    Range,
    RunError,
    StoppedError,
    UnfitNoiseError,
    UsageError,
    above,
    at_least,
    essence,
    flag,
    gist,
    limits_of,
    lookup,
    number_or_word,
    setting,
    words,
)

__all__ = [
    "ADAPTED", "FORMATS", "HALVES", "IMAGE_SUFFIXES", "LEAST_MAX_PIXELS", "MANIFEST", "MAX_PIXELS", "MEMORIES",
    "MEMORY", "PACKAGE", "PIXELS", "RAW_SUFFIXES", "SECONDS", "TILES", "LostWorkerError", "PackageSettings", "Range",
    "RunError", "ServeConfig", "StoppedError", "UnfitNoiseError", "UsageError", "above", "at_least", "changed",
    "checked", "coerced", "composed", "essence", "flag", "flattened", "gist", "group", "limits_of", "lookup", "named",
    "number_or_word", "part", "parts", "refuse_without_effect", "setting", "words",
]  # fmt: skip
