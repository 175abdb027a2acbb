"""Settings of inference and export."""

import math
import re
from dataclasses import dataclass

from n2n_tf.config.settings import UsageError, above, at_least, setting, words

MEMORY = 4.0  # GB of resident memory to denoise in
MAX_PIXELS = 2**22  # of a request to a served model, file or tensor: 6.4 GB with a U-Net, which 8 GB hold
LEAST_MAX_PIXELS = 2**15  # so that what its check and warm-up send passes
MEMORIES = above(0, 10**6)
TILES = at_least(32)
PIXELS = at_least(LEAST_MAX_PIXELS, 2**62)
HALVES = ("float16", "bfloat16")
PACKAGE = "bioimageio"  # the format of a bioimage.io package
FORMATS = {  # the package each needs, its suffix; a package without one is a folder
    PACKAGE: ("bioimageio.core", (".zip", "")), "litert": ("tensorflow", (".tflite",)),
    "onnx": ("tf2onnx", (".onnx",)),
}  # fmt: skip
SECONDS = 20.0  # of adapting a denoiser to images
ADAPTED = above(0, 10**6)


@dataclass(frozen=True)
class PackageSettings:
    """What a bioimage.io package tells that no denoiser knows."""

    title: str = setting("", "of a bioimage.io package (default: the name of MODEL)")
    author: tuple[str, ...] = setting((), "names of those who made it", metavar="NAME")
    license: str = setting("", "SPDX identifier of its licence, CC-BY-4.0 say", metavar="SPDX")
    range: tuple[float, ...] = setting(
        (), "LOW HIGH, the intensities of images that count as 0 and 1, where the denoiser takes [0, 1]: the package "
        "takes and gives these units", metavar="LIMIT",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.title and not re.fullmatch(r"[A-Za-z0-9_+\- ()]{5,128}", self.title):
            raise UsageError(
                f"`title` {self.title}: wanted 5 to 128 letters, digits, spaces, underscores, plus, minus, parentheses"
            )
        for name in self.author:
            if not name.strip() or "/" in name or "\\" in name:
                raise UsageError(f"`author` {name!r}: wanted a name, without slashes")
        limits = self.range
        if limits and not (len(limits) == 2 and all(map(math.isfinite, limits)) and limits[0] < limits[1]):
            raise UsageError(f"`range` {words(limits)}: wanted two numbers in ascending order")
