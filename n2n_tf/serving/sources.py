"""Where models are named: directories, or a models.config of TensorFlow Serving."""

import os
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2 as configs

from n2n_tf.config import UsageError
from n2n_tf.serving.versions import Policy, latest, version_of


class Sources:
    """What is to be served. Which places are files is decided once: one that is away for a moment stays one.

    Args:
        paths: directories of models, which are served under the directory's name, or models.config files.

    Attributes:
        models: their configurations.

    Raises:
        UsageError: no such place, no version in it, two of one name, or a configuration that cannot be read.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self._sources = [(path, None if path.is_file() else _directory(path)) for path in map(Path, paths)]
        self.models = self._read()

    def read_again(self) -> str:
        """Take over what the files say now. What is wrong with them is returned; then the old configuration stays."""
        try:
            self.models = self._read()
        except UsageError as error:
            return str(error)
        return ""

    def _read(self) -> list[configs.ModelConfig]:
        found = [each for path, model in self._sources for each in ([model] if model else _read(path))]
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


def _directory(path: Path) -> configs.ModelConfig:
    if not path.is_dir():
        raise UsageError(f"{path}: no such directory; wanted what export.py --output wrote, or a models.config")
    if all(version_of(each.name) is None for each in path.iterdir()):
        near = f"{path.parent}, which holds this version" if (path / "saved_model.pb").exists() else ""
        raise UsageError(
            f"{path}: holds no version of a model, such as {path}/1; "
            f"wanted {near or 'what python export.py RUN --output writes'}"
        )
    return configs.ModelConfig(name=os.path.basename(os.path.abspath(path)), base_path=str(path))


def _read(path: Path) -> list[configs.ModelConfig]:
    try:
        text = path.read_text(encoding="utf-8")
        found = list(text_format.Parse(text, configs.ModelServerConfig()).model_config_list.config)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UsageError(f"{path}: is no models.config of TensorFlow Serving: {error}") from error
    if not found or not all(config.name and config.base_path for config in found):
        raise UsageError(f"{path}: wanted at least one model, each with name and base_path")
    return found
