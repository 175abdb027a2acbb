"""Measures the noise of what is sent, and what the answers gained, one request after the other and beside them.

One thread; a short queue, from which requests are dropped rather than kept waiting. It begins when no request has been
worked on for a moment; on a server that is never idle it takes a tenth of the time. No request fails because of it.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tensorflow_serving.apis.model_pb2 import ModelSpec

from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.inspection.sentence import sentence
from n2n_tf.inspection.single import Single, numbers
from n2n_tf.serving.answered import Answered, Pair, Tensors, UnsuitableError, card_of, first_of, pair_of
from n2n_tf.serving.examined import check_sides, examined
from n2n_tf.serving.failure import Failure
from n2n_tf.serving.gauges import Gauges, Key
from n2n_tf.serving.models import Models
from n2n_tf.serving.sizes import sides_of

logger = logging.getLogger(__name__)
QUEUE = 2  # requests that wait to be inspected; each holds its images
QUIET = 0.3  # seconds without a request after which it begins
PATIENCE = 2.0  # seconds that it waits for them; then it begins beside others, if it has rested
SHARE = 0.1  # of the time, that it takes on a busy server
LOOKS = 0.05  # seconds between looks
KEPT = 256  # results that clients can still ask for
CLOSING = 0.5  # seconds that the end waits for it
Told = dict[str, Any]


class Inspector:
    """Inspects requests until `close`.

    Args:
        models: that answer.
        quiet: seconds since a request was worked on.

    Attributes:
        gauges: of what was found.
    """

    def __init__(self, models: Models, quiet: Callable[[], float]):
        self._models, self._quiet = models, quiet
        self.gauges = Gauges(self._served)
        self._jobs: queue.Queue[Answered | None] = queue.Queue(QUEUE)
        self._told: OrderedDict[str, Told] = OrderedDict()
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._rested, self._waited = 0.0, 0.0  # when it may begin beside others; seconds it waited for them
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="inspection", daemon=True)
        self._thread.start()

    def offer(self, key: Key, signature: str, tensors: tuple[Tensors, Tensors], ticket: str = "") -> None:
        """Inspect the first image of a request when there is time; never waits, never fails.

        Args:
            key: model and version that answered it.
            signature: that was called.
            tensors: its inputs and outputs.
            ticket: by which `told` gives what was found; empty if nobody asks.
        """
        with self._guarded(key[0], ticket):
            answered = first_of(key, signature, tensors, ticket)
            is_file = signature == "encoded"
            check_sides(sides_of(answered.noisy) if is_file else answered.noisy.shape[:2])
            self._tell(ticket, {"state": "waiting"})
            try:
                self._jobs.put_nowait(answered)
            except queue.Full:
                self.gauges.drop(key[0], "busy")
                self._tell(ticket, _not_measured("the server was busy"))

    def told(self, ticket: str) -> Told | None:
        """What is known of a request, as JSON has it; None if nothing, or no longer."""
        with self._lock:
            return self._told.get(ticket)

    def close(self) -> None:
        """End when what is being measured is."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(None)
        self._thread.join(CLOSING)

    def _run(self) -> None:
        while (answered := self._jobs.get()) and not self._stopping.is_set():
            with self._guarded(answered.model, answered.ticket):
                self._inspect(answered)

    def _inspect(self, answered: Answered) -> None:
        self._wait(max(self._rested, time.monotonic() + PATIENCE))
        if self._stopping.is_set():
            return
        begin, self._waited = time.monotonic(), 0.0
        try:
            found = self._examined(answered)
        finally:
            end = time.monotonic()
            seconds = end - begin - self._waited
            self._rested = end + seconds * (1 / SHARE - 1)
        self.gauges.add((answered.model, answered.version), found, seconds)
        self._tell(answered.ticket, _measured(found, seconds))

    def _examined(self, answered: Answered) -> Single:
        with self._using(answered) as model:
            card = card_of(model.path)
        pair: Pair = pair_of(answered, card)

        def denoised(image: np.ndarray) -> np.ndarray:
            begin = time.monotonic()
            self._wait(begin + PATIENCE)
            self._waited = time.monotonic() - begin
            with self._using(answered) as model:
                return model.run("serving_default", {"image": image[None]})["denoised"][0]

        return examined(pair, card, denoised)

    @contextlib.contextmanager
    def _using(self, answered: Answered) -> Iterator[CppModel]:
        spec = ModelSpec(name=answered.model)
        spec.version.value = answered.version
        with self._models.use(spec) as (_, model):
            yield model

    def _wait(self, until: float) -> None:
        """Until the server is quiet, but no longer than to a time."""
        while self._quiet() < QUIET and time.monotonic() < until and not self._stopping.wait(LOOKS):
            pass

    @contextlib.contextmanager
    def _guarded(self, model: str, ticket: str) -> Iterator[None]:
        """Count and tell what cannot be inspected; log once what was not foreseen."""
        try:
            yield
        except (UnsuitableError, Failure) as error:  # too small, say, or its version has left
            self.gauges.drop(model, "unsuitable")
            self._tell(ticket, _not_measured(str(error)))
        except Exception as error:
            self.gauges.drop(model, "failed")
            self._tell(ticket, _not_measured("that failed; the server's log says more"))
            if type(error).__name__ not in self._said:
                self._said.add(type(error).__name__)
                logger.exception("the inspection of a request for %s failed; said once", model)

    def _tell(self, ticket: str, told: Told) -> None:
        if ticket:
            with self._lock:
                self._told[ticket] = told
                while len(self._told) > KEPT:
                    self._told.popitem(last=False)

    def _served(self) -> list[Key]:
        models = {name: self._models.versions(name) for name in self._models.names}
        return [(name, number) for name, model in models.items() if model for number in model.available()]


def _not_measured(why: str) -> Told:
    return {"state": "not measured", "text": f"The noise was not measured: {why}."}


def _measured(found: Single, seconds: float) -> Told:
    gain = found.gain if found.gain and not found.obstacle else None
    psnr = gain and {"before": gain.before, "after": gain.psnr, "error": gain.psnr_error}
    return {
        "state": "measured",
        "text": sentence(found),
        "noise": {part.name: {"model": part.model, **numbers(part)} for part in found.parts},
        "psnr": psnr,
        "obstacle": found.obstacle,
        "seconds": seconds,
    }
