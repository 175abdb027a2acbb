"""Test protocols: what a denoiser is given, and how its result is scored."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from n2n_tf.data.finding import reason
from n2n_tf.evaluation.metrics import affine_fit, psnr, ssim
from n2n_tf.evaluation.pictures import to_uint8
from n2n_tf.evaluation.reading import Block, unit_pixels
from n2n_tf.formats import bayer
from n2n_tf.formats.page import Page
from n2n_tf.inference.denoiser import SIDE_MULTIPLE
from n2n_tf.noise import Noise
from n2n_tf.value_range import ValueRange

SEED = 101  # of NumPy's legacy generator, set once before a list of sets

Denoise = Callable[[np.ndarray], np.ndarray]  # float32 [H, W, C] -> the same


@dataclass(frozen=True)
class TestSet:
    """Clean images, and where their noisy partners come from.

    Attributes:
        name: shown in tables.
        clean: the images.
        noisy: the partners, or the noise to add.
        repeats: noise draws for each image.
        group: sets of one group are scored together too.
        pattern: of mosaics [H, W, 1]; the denoiser gets their planes, the scores are those of the mosaics.
    """

    __test__ = False  # pytest, this is not a test

    name: str
    clean: Sequence[Page | Block]
    noisy: Sequence[Page | Block] | Noise
    repeats: int = 1
    group: str | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Draw:
    """One noise draw on one image.

    Attributes:
        set, number, repeat: which image of which set, and which draw.
        noisy: float32 [H, W, C].
    """

    set: TestSet
    number: int
    repeat: int
    noisy: np.ndarray


@dataclass(frozen=True)
class Case:
    """One noise draw on one image, and what became of it.

    Attributes:
        set, page, repeat: which image and draw.
        clean: as scored, [H, W, C]: uint8 or float32 in [0, 1].
        results: by denoiser, in the form of `clean`.
        scores: by denoiser, PSNR in dB and SSIM.
        seconds: by denoiser, what it took.
        failed: by denoiser, why it gave no result.
    """

    set: TestSet
    page: Page | Block
    repeat: int
    clean: np.ndarray
    results: Mapping[str, np.ndarray]
    scores: Mapping[str, tuple[float, float]]
    seconds: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


class Paper:
    """The authors' test code: reflect padding at the right and the bottom to a square whose side is a multiple of
    32, cropped back; clipped, rounded to 8 bits; peak 255. What is no network says that it takes images unpadded.
    """  # fmt: skip

    peak = 255.0
    clean_types = (np.dtype(np.uint8), np.dtype(bool))  # others would be rounded

    def denoise(self, denoiser: Denoise, noisy: np.ndarray) -> np.ndarray:
        if not getattr(denoiser, "pads", True):
            return denoiser(noisy)
        height, width = noisy.shape[:2]
        side = -(-max(height, width) // SIDE_MULTIPLE) * SIDE_MULTIPLE
        square = np.pad(noisy, ((0, side - height), (0, side - width), (0, 0)), "reflect")
        return denoiser(square)[:height, :width]

    def scored(self, image: np.ndarray) -> np.ndarray:
        return to_uint8(image)


class Float:
    """No rounding, for raw and 16-bit data: clipped to [0, 1], peak 1."""

    peak = 1.0
    clean_types = None  # any

    def denoise(self, denoiser: Denoise, noisy: np.ndarray) -> np.ndarray:
        return denoiser(noisy)

    def scored(self, image: np.ndarray) -> np.ndarray:
        return np.clip(image, 0, 1)


PROTOCOLS: dict[str, Callable[[], Paper | Float]] = {"paper": Paper, "float": Float}


def evaluate(
    sets: Sequence[TestSet],
    denoisers: Mapping[str, Denoise],
    protocol: Paper | Float,
    affine: bool = False,
    value_range: ValueRange | None = None,
    wanted: Callable[[str, Draw], bool] = lambda name, draw: True,
) -> Iterator[Case]:
    """Denoise and score every image of every set; all denoisers are given the same noise.

    What a denoiser refuses, by ValueError or MemoryError, costs it the score of that draw alone.

    The noise comes from NumPy's legacy generator with seed 101, as in the authors' code: bit-identical to it if the
    sets stand in its order and have its images, in the order of their names.

    Args:
        sets: test sets, in the order in which noise is drawn.
        denoisers: by name; any functions from image to image.
        protocol: one of `PROTOCOLS`.
        affine: fit a·x + b of each result, before it is clipped and rounded, to the clean image first.
        value_range: the images' intensities that count as 0 and 1; None if their type says it. For a clean partner
            of another type see `formats.pixels.partner_range`.
        wanted: whether the denoiser of a name is given a draw.

    Raises:
        UnusableImageError: an image that cannot be read, or that the protocol would round, before the first is
            denoised. None is passed over: the noise of the others would change.
    """
    for each in sets:
        pairs = each.noisy if isinstance(each.noisy, Sequence) else [None] * len(each.clean)
        for page, noisy_page in zip(each.clean, pairs, strict=True):
            unit_pixels(page, value_range, noisy_page, protocol.clean_types)
            if noisy_page:
                unit_pixels(noisy_page, value_range)
    generator = np.random.RandomState(SEED)
    for each in sets:
        for repeat in range(each.repeats):
            for number, page in enumerate(each.clean):
                partners = each.noisy
                if isinstance(partners, Sequence):
                    noisy = unit_pixels(partners[number], value_range)
                    clean = unit_pixels(page, value_range, partners[number])
                else:
                    clean = unit_pixels(page, value_range)
                    noisy = partners.draw(clean, generator)
                draw, results, seconds, failed = Draw(each, number, repeat, noisy), {}, {}, {}
                for name, denoiser in denoisers.items():
                    if wanted(name, draw):
                        began = time.perf_counter()
                        try:
                            results[name] = protocol.denoise(bayer.on_mosaics(denoiser, each.pattern), noisy)
                            seconds[name] = time.perf_counter() - began
                        except (ValueError, MemoryError) as error:
                            failed[name] = reason(error)
                if affine:
                    results = {name: affine_fit(result, clean) for name, result in results.items()}
                results = {name: protocol.scored(result) for name, result in results.items()}
                clean = protocol.scored(clean)
                scores = {
                    name: (psnr(result, clean, protocol.peak), ssim(result, clean, protocol.peak))
                    for name, result in results.items()
                }
                yield Case(each, page, repeat, clean, results, scores, seconds, failed)
