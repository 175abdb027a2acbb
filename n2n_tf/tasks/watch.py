"""What is measured of the images of one file while they are denoised: its row of the report, and maps of the error."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from n2n_tf.data.finding import reason
from n2n_tf.formats.page import Page
from n2n_tf.inference import Denoiser
from n2n_tf.inspection.measure import worst_correlation
from n2n_tf.meter.sure import Stein
from n2n_tf.tasks.beside import Beside, map_path
from n2n_tf.tasks.file_noise import MISSING, FileNoise
from n2n_tf.tasks.map_file import MapFile, map_file
from n2n_tf.tasks.one_pass import OnePass, one_pass
from n2n_tf.tasks.report_file import ReportFile
from n2n_tf.tasks.report_row import row
from n2n_tf.value_range import filled

logger = logging.getLogger(__name__)


class Watch:
    """Denoises the images of a file, and measures. What cannot be measured is noted; denoising goes on.

    Args:
        denoiser: of them.
        pages: the images that will be denoised.
        target: their result.
        beside: what is wanted.
    """

    def __init__(self, denoiser: Denoiser, pages: Sequence[Page], target: Path, beside: Beside):
        self.denoiser, self.pages, self.target, self.beside = denoiser, pages, target, beside
        self._noise = FileNoise(denoiser, pages)
        self._obstacles: dict[str, None] = {}  # in order, each once
        self._notes = dict.fromkeys(self._noise.notes)
        usable = [part for noise in self._noise.known.values() if not noise.obstacle for part in noise.parts]
        self._stein = Stein(worst_correlation(usable))
        self._maps: MapFile | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While the images are denoised; at the end, if all went well, the map and the row are put in their places."""
        with contextlib.ExitStack() as stack:
            if self.beside.uncertainty:
                numbers = sum(page.height * page.width * page.colors for page in self.pages)
                self._maps = stack.enter_context(map_file(map_path(self.target), numbers))
            yield
        if self.beside.report:
            gain = self._stein.gain() if self._stein.rows else None
            found = row(self.pages[0].path, self._noise.known, gain, list(self._obstacles), list(self._notes))
            ReportFile(self.beside.report).put([found])

    def __call__(self, page: Page, noisy: np.ndarray, advance: Callable[[float], None]) -> np.ndarray:
        """Denoise one image [H, W, C], as the denoiser does; of its type.

        Raises:
            ValueError: as `Denoiser`.
        """
        self.denoiser.check_shape(noisy.shape)
        image, missing = filled(noisy)
        units = self.denoiser.units_of(image, page.limits)
        units.check(image)
        why = self._obstacle(page, missing)
        passed = one_pass(self.denoiser, image, units, self._maps is not None and not why, advance)
        deviation, why = (None, why) if why else self._measured(page, passed)
        if missing is not None:
            passed.result[missing] = np.ma.getdata(noisy)[missing]
            if deviation is not None:
                deviation[missing] = np.nan
        if self._maps:
            self._maps.add(deviation, image.shape)
        if why and why not in self._obstacles:
            self._obstacles[why] = None
            if self._maps:
                logger.warning("%s: no `uncertainty` map: %s; n2n-tf inspect tells more of the noise", page, why)
        return passed.result

    def _measured(self, page: Page, passed: OnePass) -> tuple[np.ndarray | None, str]:
        """The map, if it is wanted; why something cannot be measured, empty if it can."""
        noise = self._noise.of(page)
        if noise is None or not (self._maps or page.number in self._noise.pages):
            return None, ""
        try:
            mse = passed.error(self._stein, noise)
            if self._maps and not mse > 0:
                return None, f"the estimated mean squared error is not above 0, {mse:.1g} of the range squared"
            return (passed.map(mse) if self._maps else None), ""
        except (ValueError, MemoryError) as error:
            return None, f"the error cannot be estimated: {reason(error)}"

    def _obstacle(self, page: Page, missing: np.ndarray | None) -> str:
        """Why the error of an image cannot be estimated; empty if it can."""
        noise = self._noise.of(page)
        if missing is not None:
            self._notes[f"{100 * missing.mean():.2g} % of the pixels have no data"] = None
        if noise is None:
            return "the noise was not measured"
        if missing is not None and missing.mean() > MISSING:
            return "too many pixels have no data"
        return noise.obstacle
