"""Which models are served: from their directories, or from a models.config of TensorFlow Serving."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config import model_server_config_pb2 as configs

from n2n_tf.config import RunError, UsageError
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.serving.failure import invalid
from n2n_tf.serving.versions import Policy, Versions, latest

logger = logging.getLogger(__name__)


class Models:
    """The served models. A thread looks for new versions, and reads the configuration again.

    Args:
        places: directories of models, which are served under the directory's name, or one models.config.

    Raises:
        UsageError: no such place, none with a version in it, two of one name, or a configuration that cannot be read.
        RunError: a model of which no version can be loaded.
    """

    def __init__(self, places: Sequence[str | Path]):
        self._places = [Path(place) for place in places]
        self._models: dict[str, Versions] = {}
        self._leaving: list[Versions] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._configure()
        for model in self._models.values():
            model.poll()
            if not model.available():
                texts = [f"version {number}: {version.text}" for number, version in model.statuses().items()]
                raise RunError(f"{model.name}: no version of it can be loaded from {model.folder}\n" + "\n".join(texts))

    def watch(self, seconds: float) -> None:
        """Look again every few seconds, until `close`."""
        self._thread = threading.Thread(target=self._watch, args=(seconds,), name="versions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching, free what is not in use."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
        for model in self._models.values():
            model.unload()

    @property
    def names(self) -> list[str]:
        return list(self._models)

    def versions(self, name: str) -> Versions | None:
        """The versions of a model, if it is served."""
        return self._models.get(name)

    def ready(self) -> bool:
        """Whether every model has a version that answers."""
        return all(model.available() for model in self._models.values())

    @contextlib.contextmanager
    def use(self, spec: ModelSpec) -> Iterator[tuple[int, CppModel]]:
        """The version that a request asks for.

        Raises:
            Failure: it is not there.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        model = self._models.get(spec.name) or Versions(spec.name, Path(), latest(1))
        number = spec.version.value if spec.HasField("version") else None
        if spec.version_label:
            number = model.labels.get(spec.version_label)
            if number is None:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        with model.use(number) as found:
            yield found

    def _watch(self, seconds: float) -> None:
        said = ""
        while not self._stopping.wait(seconds):
            try:
                self._configure()
                said = ""
            except UsageError as error:
                if str(error) != said:
                    said = str(error)
                    logger.warning("%s; the old configuration stays", error)
            for model in list(self._models.values()):
                model.poll()
            for model in self._leaving:
                model.unload()

    def _configure(self) -> None:
        """Take over the configuration: models come, go, or change their policy and labels."""
        wanted = configured(self._places)
        for config in wanted:
            model = self._models.get(config.name)
            if model is None or model.folder != Path(config.base_path):
                if model:
                    self._leaving.append(model)
                model = Versions(config.name, Path(config.base_path), latest(1))
                self._models[config.name] = model
            model.policy, model.labels = policy_of(config), dict(config.version_labels)
        for name in set(self._models) - {config.name for config in wanted}:
            self._leaving.append(self._models.pop(name))


def configured(places: Sequence[Path]) -> list[configs.ModelConfig]:
    """The models of directories or of a configuration file.

    Raises:
        UsageError: as `Models`.
    """
    found: list[configs.ModelConfig] = []
    for place in places:
        if place.is_file():
            found += _read(place)
        elif not place.is_dir():
            raise UsageError(f"{place}: no such directory; wanted what export.py --output wrote, or a models.config")
        elif not any(path.name.isdecimal() for path in place.iterdir()):
            near = f"{place.parent}, which holds this version" if (place / "saved_model.pb").exists() else ""
            raise UsageError(
                f"{place}: holds no version of a model, such as {place}/1; "
                f"wanted {near or 'what python export.py RUN --output writes'}"
            )
        else:
            found.append(configs.ModelConfig(name=place.resolve().name, base_path=str(place)))
    names = [config.name for config in found]
    if len(set(names)) < len(names):
        raise UsageError(f"models {', '.join(names)}: wanted different names; a models.config can give them")
    return found


def policy_of(config: configs.ModelConfig) -> Policy:
    """Which versions a configuration serves; the highest one if it does not say."""
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "specific":
        chosen = set(policy.specific.versions)
        return lambda numbers: [number for number in numbers if number in chosen]
    if kind == "all":
        return lambda numbers: numbers
    return latest(policy.latest.num_versions or 1)


def _read(path: Path) -> list[configs.ModelConfig]:
    try:
        text = path.read_text(encoding="utf-8")
        found = list(text_format.Parse(text, configs.ModelServerConfig()).model_config_list.config)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UsageError(f"{path}: is no models.config of TensorFlow Serving: {error}") from error
    if not found or not all(config.name and config.base_path for config in found):
        raise UsageError(f"{path}: wanted at least one model, each with name and base_path")
    return found
