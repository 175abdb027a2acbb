"""What inspections found, as gauges in Prometheus's text format."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping

from n2n_tf.inspection.single import Single, numbers
from n2n_tf.serving.metrics import escaped

WINDOW = 16  # last inspected requests that a gauge is the mean of: one odd picture is no alarm
OF = f"mean over the last {WINDOW} inspected requests"
SIGMA, GAIN, OFFSET = "n2n_tf_noise_sigma", "n2n_tf_noise_gain", "n2n_tf_noise_offset"
CORRELATION, PSNR = "n2n_tf_noise_correlation", "n2n_tf_estimated_psnr_db"
VALID = "n2n_tf_estimated_psnr_valid"
INSPECTED, DROPPED = "n2n_tf_inspected_total", "n2n_tf_inspections_dropped_total"
SECONDS = "n2n_tf_inspection_seconds_total"
HELP = {
    SIGMA: f"Noise in what was sent, its standard deviation, 255 being the value range; {OF}",
    GAIN: f"a of the noise's variance a*x + s2, x from 0 to 1 over the value range; {OF}",
    OFFSET: f"s2 of the noise's variance a*x + s2, in units of the value range squared; {OF}",
    CORRELATION: f"Correlation of the noise of neighbouring pixels; above 0.1 the denoiser keeps some of it; {OF}",
    PSNR: f"PSNR before and after, by Stein's estimate, where values are not cut off; {OF}, of those where it holds",
    VALID: f"Share of the last {WINDOW} inspected requests for which the estimated PSNR holds",
}
COUNTERS = {
    INSPECTED: "Requests that were inspected",
    DROPPED: "Requests that were not inspected: busy with others, unsuitable (too small, say), or failed",
    SECONDS: "Seconds that inspections took",
}
NAMES: dict[str, tuple[str, Mapping[str, str]]] = {  # of what `numbers` gives: the gauge and its labels
    "sigma": (SIGMA, {}),
    "gain": (GAIN, {}),
    "offset": (OFFSET, {}),
    "right": (CORRELATION, {"direction": "right"}),
    "below": (CORRELATION, {"direction": "below"}),
}
Key = tuple[str, int]  # model and version: means over versions would hide what a new one does
Sample = tuple[str, tuple[tuple[str, str], ...]]  # name and labels, without those of the model


class Gauges:
    """Means over the last inspected requests of each version, and counts of each model.

    Args:
        served: the versions that answer now; gauges of others are dropped.
    """

    def __init__(self, served: Callable[[], Iterable[Key]]):
        self._served, self._lock = served, threading.Lock()
        self._windows: dict[Key, deque[dict[Sample, float]]] = {}
        self._counts: defaultdict[Sample, float] = defaultdict(float)

    def add(self, key: Key, found: Single, seconds: float) -> None:
        """One inspected request."""
        samples = samples_of(found)
        with self._lock:
            here = {key, *self._served()}
            self._windows = {each: window for each, window in self._windows.items() if each in here}
            self._windows.setdefault(key, deque(maxlen=WINDOW)).append(samples)
            self._counts[INSPECTED, (("model_name", key[0]),)] += 1
            self._counts[SECONDS, (("model_name", key[0]),)] += seconds

    def drop(self, model: str, reason: str) -> None:
        """One that was not inspected."""
        with self._lock:
            self._counts[DROPPED, (("model_name", model), ("reason", reason))] += 1

    def page(self) -> str:
        """The text that Prometheus reads."""
        with self._lock:
            here = set(self._served())
            rows = [
                (name, (("model_name", key[0]), ("version", str(key[1])), *labels), value)
                for key, window in self._windows.items() if key in here
                for (name, labels), value in means(window).items()
            ]  # fmt: skip
            rows += [(name, labels, value) for (name, labels), value in self._counts.items()]
        lines = []
        for name, text in (HELP | COUNTERS).items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {'gauge' if name in HELP else 'counter'}"]
            lines += [f"{name}{{{_labels(labels)}}} {value:.6g}" for each, labels, value in rows if each == name]
        return "\n".join(lines) + "\n"


def samples_of(found: Single) -> dict[Sample, float]:
    """The values of one request that hold."""
    samples: dict[Sample, float] = {}
    for part in found.parts:
        for each, value in numbers(part).items():
            name, labels = NAMES[each]
            samples[name, (("channel", part.name), *labels.items())] = value
    holds = found.gain is not None and not found.obstacle
    samples[VALID, ()] = float(holds)
    if found.gain and holds:
        samples[PSNR, (("when", "before"),)] = found.gain.before
        samples[PSNR, (("when", "after"),)] = found.gain.psnr
    return samples


def means(window: Iterable[Mapping[Sample, float]]) -> dict[Sample, float]:
    """Of each value over the requests that have it."""
    found: dict[Sample, list[float]] = {}
    for samples in window:
        for sample, value in samples.items():
            found.setdefault(sample, []).append(value)
    return {sample: sum(values) / len(values) for sample, values in found.items()}


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels)
