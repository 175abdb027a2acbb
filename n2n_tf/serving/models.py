"""Which models are served: from their directories, or from a models.config of TensorFlow Serving."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config import model_server_config_pb2 as configs

from n2n_tf.config import RunError
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.serving.failure import invalid
from n2n_tf.serving.sources import Sources, policy_of
from n2n_tf.serving.versions import Versions, not_found

logger = logging.getLogger(__name__)
CLOSING = 0.5  # seconds to wait for a look at the folders


class Models:
    """The served models. A thread looks for new versions, and reads the configuration again.

    Args:
        sources: directories of models, which are served under the directory's name, or one models.config.

    Raises:
        UsageError: no such place, none with a version in it, two of one name, or a configuration that cannot be read.
        RunError: a model of which no version can be loaded.
    """

    def __init__(self, sources: Sequence[str | Path]):
        self._sources = Sources(sources)
        self._models: dict[str, Versions] = {}
        self._coming: dict[str, Versions] = {}  # models whose folder changed, not loaded yet
        self._leaving: list[Versions] = []  # models that were served, with requests that still run
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        for config in self._sources.models:
            model = self._models[config.name] = _model(config)
            model.poll()
            if not model.available():
                self.close()
                raise RunError(f"{model.name}: no version of it can be loaded from {model.folder}\n{model.failures()}")

    def watch(self, seconds: float) -> None:
        """Look again every few seconds, until `close`."""
        self._thread = threading.Thread(target=self._watch, args=(seconds,), name="versions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching, free what is not in use; when it is loaded, if a version just is."""
        self._stopping.set()
        if self._thread:
            self._thread.join(CLOSING)
        else:
            self._unload()

    @property
    def names(self) -> list[str]:
        return list(self._models)

    def versions(self, name: str) -> Versions | None:
        """The versions of a model, if it is served."""
        return self._models.get(name)

    def ready(self) -> bool:
        """Whether every model has a version that answers."""
        return all(model.available() for model in list(self._models.values()))

    @contextlib.contextmanager
    def use(self, spec: ModelSpec) -> Iterator[tuple[int, CppModel]]:
        """The version that a request asks for.

        Raises:
            Failure: it is not there.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        model = self._models.get(spec.name)
        labels = model.labels if model else {}
        number = spec.version.value if spec.HasField("version") else None
        if spec.WhichOneof("version_choice") == "version_label":  # even if it is empty
            number = labels.get(spec.version_label)
            if number is None:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        if model is None:
            raise not_found(spec.name, number)
        with model.use(number) as found:
            yield found

    def _watch(self, seconds: float) -> None:
        said = ""
        while not self._stopping.wait(seconds):
            try:
                self._look()
                said = ""
            except Exception as error:  # a file server that is away, a half-written configuration: it may come back
                if str(error) != said:
                    said = str(error)
                    logger.warning("%s; the old configuration stays", error)
        self._unload()

    def _unload(self) -> None:
        for model in [*self._models.values(), *self._coming.values(), *self._leaving]:
            model.unload()

    def _look(self) -> None:
        """Take over the configuration, then the versions: models come, go, or change their policy and labels."""
        problems = [text] if (text := self._sources.read_again()) else []
        wanted = {config.name: config for config in self._sources.models}
        for name, config in wanted.items():
            try:
                self._follow(name, config)
            except (OSError, RuntimeError) as error:  # the other models go on
                problems.append(f"{name}: {error}")
        for name in set(self._models) - set(wanted):
            self._leaving.append(self._models.pop(name))
        for model in self._leaving:
            model.unload()
        self._leaving = [model for model in self._leaving if not model.is_closed()]
        if problems:
            raise RunError("; ".join(problems))

    def _follow(self, name: str, config: configs.ModelConfig) -> None:
        """Look for versions of a model. Another folder takes over when a version in it answers."""
        served, folder = self._models.get(name), Path(config.base_path)
        known = [model for model in (served, self._coming.get(name)) if model and model.folder == folder]
        model = known[0] if known else _model(config)
        stuck = _poll(model, config)
        if served and model is not served and not model.available():
            self._coming[name] = model
            raise RunError(f"no version of it can be loaded from {folder}: {model.failures()}")
        if served and model is not served:
            self._leaving.append(served)
        self._models[name] = model
        self._coming.pop(name, None)
        if stuck:
            raise RunError(stuck)


def _model(config: configs.ModelConfig) -> Versions:
    model = Versions(config.name, Path(config.base_path), policy_of(config))
    model.labels = dict(config.version_labels)
    return model


def _poll(model: Versions, config: configs.ModelConfig) -> str:
    """Look for versions; a label moves when its new version answers. What still keeps an old one is told."""
    policy, wanted, available = policy_of(config), dict(config.version_labels), model.available()
    moved = {label: old for label, old in model.labels.items() if wanted.get(label, old) != old and old in available}
    model.policy = lambda numbers: sorted({*policy(numbers), *moved.values()})
    model.poll()
    available = model.available()
    stuck = {label: old for label, old in moved.items() if wanted[label] not in available}
    model.labels = wanted | stuck
    return "; ".join(
        f"label {label} stays on version {old}: version {wanted[label]} is not available"
        for label, old in stuck.items()
    )
