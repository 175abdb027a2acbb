"""What image files must not be."""

MAX_PIXELS = 2**27  # of one image; checked before anything is decoded


class UnusableImageError(ValueError):
    """A file that is no image that can be used; the text says why."""
