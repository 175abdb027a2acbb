"""What a run is told of its images and crops. Imports no TensorFlow."""

from dataclasses import dataclass

from n2n_tf.config import UsageError, at_least, checked, limits_of, setting, words
from n2n_tf.config.kinds import CHANNELS, COUNTS, GRAY, KINDS, MOSAIC, RGB, kind_by_count

LEAST = 4  # crops of a step, however large they have to be


@dataclass(frozen=True)
class ImageSettings:
    """Which images, and what they are."""

    data: tuple[str, ...] = setting(
        (),
        "noisy images, or clean ones that `noise` is added to: folders, globs, files, OME-Zarr (URLs too), or a "
        "folder that prepare wrote; without it, sample images",
    )
    val_data: tuple[str, ...] = setting(
        (), "held-out images; without it, those that prepare held out, or a tenth of `data`, at most 8"
    )
    target: str = setting(
        "", "folder of what the images of the folder `data` are to become, for methods that want it: clean images of "
        "the same names (n2c), or second noisy shots (noise2noise)", metavar="DIR",
    )  # fmt: skip
    range: tuple[str | float, ...] = setting(
        ("auto",),
        "intensities that count as 0 and 1, two numbers LOW HIGH in the images' units; dtype: the whole of their type; "
        "auto: dtype where they have 8 bits, else where nearly all pixels of the training images lie",
        metavar="RANGE",
    )
    channels: int = setting(
        3, "of the images: 1 (gray), 3 (RGB), 4 (Bayer raw, packed), or as many as theirs; others are skipped",
        within=at_least(1, 2**10),
    )  # fmt: skip
    kind: str = setting(
        "auto", "of the images; auto: mosaic for raw files and their prepared crops, else by the channels",
        ("auto", *KINDS),
    )  # fmt: skip
    channel: tuple[str | int, ...] = setting(
        (), "of stacks with a channel axis: the planes of these alone, by name or number from 1", metavar="CHANNEL"
    )

    def __post_init__(self) -> None:
        checked(self)
        if (self.limits or self.range != ("auto",)) and self.is_mosaic:
            raise UsageError(f"`range` {words(self.range)}: raw mosaics have one, black 0 and white 1; leave it out")
        wanted = COUNTS.get(self.image_kind)
        if wanted not in (None, self.channels):
            raise UsageError(
                f"`kind` {self.kind} `channels` {self.channels}: images of this kind have {wanted}; "
                "leave one of them out"
            )
        if self.kind == CHANNELS and self.channels in (COUNTS[GRAY], COUNTS[RGB]):
            raise UsageError(
                f"`kind` {self.kind} `channels` {self.channels}: say `kind` {kind_by_count(self.channels)}, "
                "or leave it out"
            )

    @property
    def limits(self) -> tuple[float, float] | None:
        """The two numbers of `range`; None if it is a rule."""
        return limits_of(self.range)

    @property
    def image_kind(self) -> str:
        """What `kind` says, or the channels where it is auto, as in runs of earlier versions."""
        return kind_by_count(self.channels) if self.kind == "auto" else self.kind

    @property
    def is_mosaic(self) -> bool:
        """Whether the images are planes of raw mosaics."""
        return self.image_kind == MOSAIC


@dataclass(frozen=True)
class CropSettings:
    """What a batch is made of."""

    patch_size: int = setting(64, "side of a crop in pixels; a multiple of 64", within=at_least(32, 2**14))
    batch_size: int = setting(16, "crops in one step, over all replicas", within=at_least(1, 2**16))
    flips: bool = setting(True, "random flips of the training crops; of mosaics so that they begin with red again")

    def __post_init__(self) -> None:
        checked(self)

    def fewer(self, side: int, replicas: int) -> dict[str, int]:
        """The batch of larger crops that has as many pixels, but no fewer than `LEAST` crops, if it is smaller."""
        crops = max(LEAST, self.batch_size * self.patch_size**2 // side**2)
        crops = -(-crops // replicas) * replicas
        return {"batch_size": crops} if crops < self.batch_size else {}

    def side(self, mosaic: bool) -> int:
        """Of a crop before flips, which cost a mosaic a row and a column of cells."""
        return self.patch_size + (self.flips and mosaic)
