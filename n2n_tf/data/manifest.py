"""`shards.json`, which makes a folder one of shards: what it tells, and whether that can be."""

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from n2n_tf.config import MANIFEST, RunError
from n2n_tf.config.kinds import COUNTS, KINDS, kind_by_count
from n2n_tf.files import check_format

COMPRESSION = "GZIP"  # of 10-bit raw: 3.4 times smaller, read at 2/3 of the speed
SIDES = (64, 2**13)  # of a crop: the smallest patch, and what is checked before anything is decoded
MOST_CHANNELS = 2**10
TRAIN, VAL = "train", "val"
FORMAT = 1  # of shards.json; a higher one if an earlier version would misread it


def shards_at(folder: str) -> bool:
    """Whether a path is a folder of shards."""
    try:
        return tf.io.gfile.exists(path_of(folder, MANIFEST))
    except tf.errors.UnimplementedError:  # a URL that is none of TensorFlow's
        return False


def read_manifest(folder: str) -> dict[str, Any]:
    """What shards.json tells.

    Raises:
        RunError: it is damaged, or of a later version.
    """
    path = path_of(folder, MANIFEST)
    try:
        with tf.io.gfile.GFile(path) as file:
            manifest = json.loads(file.read())
        check_format(manifest, FORMAT, path)
        manifest.setdefault("kind", kind_by_count(manifest["channels"]))  # earlier versions wrote none
        _check(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: is damaged: {error!r}; prepare the shards again in another `output`") from error
    return manifest


def _check(manifest: Mapping[str, Any]) -> None:
    if not SIDES[0] <= manifest["side"] <= SIDES[1] or not 1 <= manifest["channels"] <= MOST_CHANNELS:
        raise ValueError(f"crops of {manifest['side']} pixels and {manifest['channels']} channels")
    if COUNTS.get(manifest["kind"], manifest["channels"]) != manifest["channels"] or manifest["kind"] not in KINDS:
        raise ValueError(f"{manifest['kind']} of {manifest['channels']} channels")
    if manifest["dtype"] not in ("uint8", "uint16", "float32"):
        raise ValueError(f"{manifest['dtype']} pixels")
    for name, shard in manifest["shards"].items():
        inside = not (name.startswith("/") or ".." in name.split("/"))
        if not inside or shard["split"] not in (TRAIN, VAL) or not isinstance(shard["paired"], bool):
            raise ValueError(f"shard {name!r}: {shard}")
        if not (shard["count"] >= 1 and shard["bytes"] >= 1):
            raise ValueError(f"shard {name!r}: {shard}")


def size_of(path: str) -> int | None:
    """Bytes of a file; None if there is none."""
    try:
        return tf.io.gfile.stat(path).length
    except tf.errors.NotFoundError:
        return None


def path_of(folder: str, name: str) -> str:
    """`os.path.join` knows no other file systems' separators; all of them take `/`."""
    folder = os.path.expanduser(folder)
    return folder + name if folder.endswith("/") else f"{folder}/{name}"
