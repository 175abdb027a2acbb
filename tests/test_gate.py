"""Who may come in, and whose turn it is."""

import time

import pytest
from grpc import StatusCode

from n2n_tf.serving.failure import Failure
from n2n_tf.serving.gate import Gate


def test_places_and_slots_are_free_again_after_a_failure():
    gate = Gate(slots=1, queue=1, seconds=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), gate.place(), gate.slot(lambda: True):
            1 / 0  # noqa: B018
        with pytest.raises(Failure, match="the client is gone"), gate.place(), gate.slot(lambda: False):
            pass
    with gate.place(), gate.place():
        with gate.slot(lambda: True):
            pass
        with pytest.raises(Failure, match="2 requests are in the server") as caught, gate.place():
            pass
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("seconds", "wanted"), [(60, 0.1), (0.1, 60), (60, 0), (60, -1)])
def test_one_waits_as_long_as_server_and_client_both_do(seconds, wanted):
    gate = Gate(slots=1, queue=1, seconds=seconds)
    with gate.slot(lambda: True):
        begin = time.monotonic()
        with pytest.raises(Failure, match="waited too long") as caught, gate.slot(lambda: True, wanted):
            pass
        took = time.monotonic() - begin
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    assert max(0, min(seconds, wanted)) <= took < 20


def test_nobody_comes_into_a_server_that_stops():
    gate = Gate(slots=1, queue=1, seconds=0)
    gate.closed = True
    with pytest.raises(Failure, match="the server is stopping") as caught, gate.place():
        pass
    assert caught.value.code is StatusCode.UNAVAILABLE
