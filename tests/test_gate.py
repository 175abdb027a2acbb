"""Who may come in, and whose turn it is."""

import asyncio
import threading
import time

import pytest
from grpc import StatusCode

from n2n_tf.serving.failure import Failure
from n2n_tf.serving.gate import Gate


def test_places_are_free_again_after_a_failure():
    async def run():
        gate, hold = Gate(slots=1, queue=1, seconds=60), threading.Event()
        for _ in range(3):  # more often than there are places
            with pytest.raises(ZeroDivisionError):
                await gate.work(lambda: 1 / 0)
        waiting = [asyncio.ensure_future(gate.work(hold.wait)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Failure, match="2 requests are in the server") as caught:
            await gate.work(lambda: None)
        assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED
        hold.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await gate.work(lambda: 7) == 7

    asyncio.run(run())


def test_one_waits_no_longer_than_it_may():
    async def run():
        gate, hold = Gate(slots=1, queue=1, seconds=0.2), threading.Event()
        first = asyncio.ensure_future(gate.work(hold.wait))
        await asyncio.sleep(0.05)
        begin, called = time.monotonic(), []
        with pytest.raises(Failure, match="waited too long") as caught:
            await gate.work(lambda: called.append(1))
        assert 0.2 <= time.monotonic() - begin < 20
        assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
        await asyncio.sleep(0.05)  # the loop tells the threads
        hold.set()
        await first
        await gate.work(lambda: None)
        assert not called  # who has left is not worked for

    asyncio.run(run())


def test_nobody_comes_into_a_server_that_stops():
    async def run():
        gate = Gate(slots=1, queue=1, seconds=0)
        await gate.drained(0)
        with pytest.raises(Failure, match="the server is stopping") as caught, gate.entered():
            pass
        assert caught.value.code is StatusCode.UNAVAILABLE

    asyncio.run(run())


def test_it_tells_how_long_nobody_was_worked_for():
    async def run():
        gate, hold = Gate(slots=1, queue=0, seconds=60), threading.Event()
        await asyncio.sleep(0.05)
        assert gate.quiet >= 0.05
        work = asyncio.ensure_future(gate.work(hold.wait))
        await asyncio.sleep(0.05)
        assert gate.quiet == 0
        hold.set()
        await work
        assert gate.quiet < 0.05
        await asyncio.sleep(0.06)
        assert gate.quiet >= 0.06

    asyncio.run(run())
