"""Counts and latencies under TensorFlow Serving's names, in Prometheus's text format.

By hand: Prometheus's own client cannot write a counter whose name does not end in _total.
"""

import threading
from bisect import bisect_left
from collections import Counter

PATH = "/monitoring/prometheus/metrics"
BOUNDS = [10 * 1.8**power for power in range(33)]  # microseconds
COUNT, LATENCY = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"


class Metrics:
    """What was asked, how it ended, how long it took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()  # (model, status)
        self._buckets: dict[tuple[str, str, str], list[int]] = {}  # (model, API, entry point)
        self._sums: Counter[tuple[str, str, str]] = Counter()  # microseconds

    def record(self, model: str, way: tuple[str, str], status: str, seconds: float) -> None:
        """Count a request; its time only if it succeeded.

        Args:
            model: name of a served model.
            way: the API as its door calls it (predict, Predict, or nothing for status and metadata), and REST or GRPC.
            status: name of a gRPC status code.
            seconds: from its arrival to its answer.
        """
        microseconds = seconds * 1e6
        with self._lock:
            self._requests[model, status] += 1
            if status == "OK":
                buckets = self._buckets.setdefault((model, *way), [0] * (len(BOUNDS) + 1))
                buckets[bisect_left(BOUNDS, microseconds)] += 1
                self._sums[(model, *way)] += round(microseconds)

    def page(self) -> str:
        """The text that Prometheus reads."""
        with self._lock:
            lines = [f"# TYPE {COUNT} counter"]
            for (model, status), count in self._requests.items():
                lines.append(f'{COUNT}{{model_name="{escaped(model)}",status="{status}"}} {count}')
            lines.append(f"# TYPE {LATENCY} histogram")
            for (model, api, entry), buckets in self._buckets.items():
                labels = f'model_name="{escaped(model)}",API="{api}",entrypoint="{entry}"'
                total = 0
                for bound, count in zip([*map("{:g}".format, BOUNDS), "+Inf"], buckets, strict=True):
                    total += count
                    lines.append(f'{LATENCY}_bucket{{{labels},le="{bound}"}} {total}')
                lines.append(f"{LATENCY}_sum{{{labels}}} {self._sums[model, api, entry]}")
                lines.append(f"{LATENCY}_count{{{labels}}} {total}")
        return "\n".join(lines) + "\n"


def escaped(label: str) -> str:
    """A label's value, within quotes."""
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
