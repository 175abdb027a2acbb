"""The kinds of sources of images: where each is found, and the lists of them that a run keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n2n_tf.data.arrays import Arrays
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.held_out import HeldOut, held_out_shards, hold_out_shards, training_shards
from n2n_tf.data.images import Images, wanted_images
from n2n_tf.data.manifest import shards_at
from n2n_tf.data.numbered import hold_out
from n2n_tf.data.paired_images import PairedImages
from n2n_tf.data.shards import Shards
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.data.zarr_finding import wanted_zarrs, zarrs_at
from n2n_tf.data.zarr_images import ZarrImages


@dataclass(frozen=True)
class Kind:
    """What the table tells of a kind of source.

    Attributes:
        at: whether a path holds such.
        training: paths, what is wanted, the field that names them -> the images to train on.
        held_out: the same -> images to score.
        hold_out: images to train on, seed -> those of them that are left, and some to score.
        lists: by the key that a saved list is known by, what makes the source of it, with the channels wanted.
    """

    at: Callable[[str], bool]
    training: Callable[[Sequence[str], Wanted, str], Source]
    held_out: Callable[[Sequence[str], Wanted, str], HeldOutSource]
    hold_out: Callable[[Any, int], tuple[Source, HeldOutSource]]
    lists: Mapping[str, Callable[[dict[str, Any], int], Any]]


_SHARDS = {"counts": Shards.from_json, "held_out_of": HeldOut.from_json}
_FILES = {"partners": PairedImages.from_json, "pages": Images.from_json}
KINDS = (  # the first that is at one of the paths; files are what is left
    Kind(shards_at, training_shards, held_out_shards, hold_out_shards, _SHARDS),
    Kind(zarrs_at, wanted_zarrs, wanted_zarrs, hold_out, {"zarrs": ZarrImages.from_json}),
    Kind(lambda path: True, wanted_images, wanted_images, hold_out, _FILES),
)


def kind_at(paths: Sequence[str]) -> Kind:
    """The kind of source that some paths hold."""
    return next(kind for kind in KINDS if any(map(kind.at, paths)))


def source_from_json(saved: dict[str, Any], channels: int) -> Any:
    """The source that a run began with.

    Args:
        saved: of its `to_json`.
        channels: that the run wants.

    Raises:
        RunError: its files are damaged, or others now.
        ValueError, TypeError, LookupError: what was saved is damaged.
    """
    lists = [(key, make) for kind in KINDS for key, make in kind.lists.items()]
    known = [make for key, make in [*lists, ("arrays", Arrays.from_json)] if key in saved]
    if not known:
        raise ValueError(f"no list of images: {str(saved)[:80]}")
    return known[0](saved, channels)
