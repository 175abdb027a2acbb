"""The versions of one served model: new ones are loaded, old ones leave, and one always answers."""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis import prediction_log_pb2

from n2n_tf.exporting.cpp_loader import CppModel, SessionError
from n2n_tf.serving.failure import CODES, Failure

logger = logging.getLogger(__name__)
Policy = Callable[[Sequence[int]], Sequence[int]]  # ascending numbers on disk -> those to serve
WARMUP = Path("assets.extra", "tf_serving_warmup_requests")


def latest(count: int) -> Policy:
    """The highest numbers."""
    return lambda numbers: numbers[-count:]


def version_of(name: str) -> int | None:
    """The number that a directory's name is: an int64 as TensorFlow Serving parses it, by absl::SimpleAtoi."""
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,100}\s*", name, re.ASCII):
        return None
    return number if 0 <= (number := int(name)) < 2**63 else None


def not_found(name: str, number: int | None) -> Failure:
    """TensorFlow Serving's words."""
    asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return Failure(StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")


@dataclass
class Version:
    """One version. `state` is a name of TensorFlow Serving's ModelVersionStatus.State."""

    state: str = "LOADING"
    code: StatusCode = StatusCode.OK
    text: str = ""
    model: CppModel | None = None
    users: int = 0
    files: list[tuple[str, int, int]] = field(default_factory=list)  # of a version that cannot be loaded


class Versions:
    """The versions of a model.

    Loaded through TensorFlow's C++ loader and run in its session, as TensorFlow Serving does: the same errors, no
    Python in between, and Python's lock is free meanwhile.

    Args:
        name: of the model.
        folder: holds the numbered versions.
        policy: which of them are served.
    """

    def __init__(self, name: str, folder: Path, policy: Policy):
        self.name, self.folder, self.policy = name, folder, policy
        self.labels: dict[str, int] = {}
        self._versions: dict[int, Version] = {}
        self._paths: dict[int, Path] = {}  # 123 may be in 00000123
        self._lock = threading.RLock()

    def poll(self) -> None:
        """Load what is new; once it answers, let go what is not wanted. For one thread only."""
        for number in (wanted := self.policy(self._on_disk())):
            known = self._versions.get(number, Version("END"))
            if known.state == "END" and (known.code is StatusCode.OK or known.files != self._files(number)):
                self._load(number)
        with self._lock:
            if set(wanted) & set(self.available()):
                for number in set(self.available()) - set(wanted):
                    self._versions[number].state = "UNLOADING"
        self._close_unused()

    def unload(self) -> None:
        """Take no more requests; `poll` or `unload` again closes what is still in use."""
        with self._lock:
            for number in self.available():
                self._versions[number].state = "UNLOADING"
        self._close_unused()

    def available(self) -> list[int]:
        """Numbers of the versions that answer."""
        with self._lock:
            return [number for number, version in self._versions.items() if version.state == "AVAILABLE"]

    def statuses(self) -> dict[int, Version]:
        """Every version that was ever seen, highest first."""
        with self._lock:
            return dict(sorted(self._versions.items(), reverse=True))

    def failures(self) -> str:
        """Why versions could not be loaded."""
        texts = [f"version {number}: {each.text}" for number, each in self.statuses().items() if each.text]
        return "; ".join(texts) or "there is none"

    def is_closed(self) -> bool:
        """Whether nothing of it is loaded any more."""
        return not any(version.model for version in self.statuses().values())

    @contextlib.contextmanager
    def use(self, number: int | None) -> Iterator[tuple[int, CppModel]]:
        """A version, or the highest one, that stays loaded meanwhile.

        Raises:
            Failure: it is not available.
        """
        with self._lock:
            found = [each for each in self.available() if number in (None, each)]
            if not found:
                raise not_found(self.name, number)
            version = self._versions[max(found)]
            version.users += 1
        try:
            assert version.model
            yield max(found), version.model
        finally:
            with self._lock:
                version.users -= 1

    def _on_disk(self) -> list[int]:
        """Ascending. Of two directories for one number the last one by name counts, as in TensorFlow Serving."""
        try:
            found = {version_of(path.name): path for path in sorted(self.folder.iterdir())}
        except OSError:
            return []
        self._paths |= (here := {number: path for number, path in found.items() if number is not None})
        return sorted(here)

    def _files(self, number: int) -> list[tuple[str, int, int]]:
        """What tells a version that was mended, or has been copied further, from the one that failed."""
        found = []
        for folder, _, names in os.walk(self._paths[number]):
            for name in names:
                with contextlib.suppress(OSError):  # removed meanwhile
                    status = os.stat(os.path.join(folder, name))
                    found.append((os.path.join(folder, name), status.st_size, status.st_mtime_ns))
        return sorted(found)

    def _load(self, number: int) -> None:
        path, version, model = self._paths[number], Version(), None
        with self._lock:
            self._versions[number] = version
        try:
            version.files = self._files(number)
            model = CppModel(path)
            for log in tf.data.TFRecordDataset(str(path / WARMUP)) if (path / WARMUP).is_file() else ():
                request = prediction_log_pb2.PredictionLog.FromString(log.numpy()).predict_log.request
                inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
                model.run(request.model_spec.signature_name, inputs)
        except Exception as error:  # whatever is in the files: the other versions go on
            code = CODES[error.code] if isinstance(error, SessionError) else StatusCode.UNKNOWN
            version.code, version.text, version.state = code, str(error), "END"
            logger.warning("%s version %d cannot be loaded: %s", self.name, number, error)
            if model:
                model.close()
            return
        version.model, version.state = model, "AVAILABLE"
        logger.info("%s version %d is available", self.name, number)

    def _close_unused(self) -> None:
        for number, version in self._versions.items():
            if version.state == "UNLOADING" and not version.users and version.model:
                version.model.close()
                version.model, version.state = None, "END"
                logger.info("%s version %d is unloaded", self.name, number)
