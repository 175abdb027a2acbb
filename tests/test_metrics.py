import asyncio
import re
from types import SimpleNamespace

import pytest
from grpc import StatusCode

from n2n_tf.config import ServeConfig
from n2n_tf.serving.failure import Failure
from n2n_tf.serving.metrics import Metrics
from n2n_tf.serving.service import Service


def test_a_latency_is_counted_in_every_bucket_that_reaches_it_and_in_no_lower_one():
    metrics, microseconds = Metrics(), [4, 10, 12, 13, 5_000, 2_000_000, 10**12]
    for each in microseconds:
        metrics.record("n2n", ("predict", "REST"), "OK", each / 1e6)
    metrics.record("n2n", ("predict", "REST"), "INTERNAL", 1.0)  # not one that succeeded
    page = metrics.page()
    buckets = [(float(bound), int(count)) for bound, count in re.findall(r'_bucket\{.*le="(.+)"\} (\d+)', page)]
    bounds = [bound for bound, _ in buckets]
    assert bounds == pytest.approx([10 * 1.8**power for power in range(33)] + [float("inf")], rel=1e-5)
    assert buckets == [(bound, sum(each <= bound for each in microseconds)) for bound in bounds]
    assert f'_sum{{model_name="n2n",API="predict",entrypoint="REST"}} {sum(microseconds)}\n' in page


def test_names_are_escaped_as_prometheus_reads_them():
    """Its text format: a backslash, a quote and a line feed in a label are each written with a backslash."""
    metrics = Metrics()
    metrics.record('a\\b"c\nd', ("predict", "REST"), "OK", 1.0)
    assert '_count{model_name="a\\\\b\\"c\\nd",API="predict",entrypoint="REST"} 1\n' in metrics.page()


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [
        (asyncio.CancelledError(), asyncio.CancelledError, "CANCELLED"),
        (Failure(StatusCode.NOT_FOUND, "x"), Failure, "NOT_FOUND"),
        (ZeroDivisionError(), Failure, "INTERNAL"),
    ],
)
def test_a_request_is_counted_by_how_it_ended(error, raised, status):
    def end():
        with service.recorded("n2n", "REST", "predict"):
            raise error

    service = Service(SimpleNamespace(names=["n2n"]), ServeConfig())
    with pytest.raises(raised):
        end()
    assert re.findall(r"request_count\{(.*)\} (\d+)", service.metrics.page()) == [
        (f'model_name="n2n",status="{status}"', "1")
    ]
    assert "_bucket{" not in service.metrics.page()
