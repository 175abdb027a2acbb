"""The sources of images, and the lists of them that a run keeps."""

from collections.abc import Callable
from typing import Any

from n2n_tf.data.held_out import HeldOut
from n2n_tf.data.images import Images
from n2n_tf.data.shards import Shards

SOURCES: dict[str, Callable[[dict[str, Any], int], Any]] = {  # by the key that a saved list is known by
    "pages": Images.from_json,
    "counts": Shards.from_json,
    "held_out_of": HeldOut.from_json,
}


def source_from_json(saved: dict[str, Any], channels: int) -> Any:
    """The source that a run began with.

    Args:
        saved: of its `to_json`.
        channels: that the run wants.

    Raises:
        RunError: its files are damaged, or others now.
        ValueError, TypeError, LookupError: what was saved is damaged.
    """
    known = [make for key, make in SOURCES.items() if key in saved]
    if not known:
        raise ValueError(f"no list of images: {str(saved)[:80]}")
    return known[0](saved, channels)
