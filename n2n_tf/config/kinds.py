"""What kinds of images there are, by name."""

KINDS = GRAY, RGB, MOSAIC, CHANNELS = "gray", "RGB", "mosaic", "channels"
COUNTS = {GRAY: 1, RGB: 3, MOSAIC: 4}  # of channels; of the last kind there may be any others


def kind_by_count(channels: int) -> str:
    """The kind where only a number tells it, as earlier versions wrote it: 4 channels were a mosaic."""
    return next((kind for kind, count in COUNTS.items() if count == channels), CHANNELS)


IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".rwl", ".pef", ".srw", ".x3f",
     ".iiq", ".3fr", ".erf", ".kdc", ".mef"}
)  # fmt: skip
MANIFEST = "shards.json"  # what makes a folder one of prepared shards
