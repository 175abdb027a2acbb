"""Denoise RGB images with Apache Beam's RunInference: on this machine, or on what --runner names.

pip install n2n-tf apache-beam
python examples/beam_denoise.py 'noisy/*.png' denoised [--runner …]
"""

import io
import sys
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io import fileio
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image


class Denoising(ModelHandler):
    """Loads the model once in each process of a worker; images may have any sizes."""

    def load_model(self) -> Any:
        """Imports TensorFlow there, not where the pipeline is built."""
        import n2n_tf

        return n2n_tf.Denoiser(n2n_tf.load_denoiser("blind"))

    def run_inference(self, batch: Sequence[np.ndarray], model: Any, inference_args: Any = None) -> list[np.ndarray]:
        """uint8 [H, W, 3] in, the same out."""
        return [model(image) for image in batch]


def decoded(file: fileio.ReadableFile) -> tuple[str, np.ndarray]:
    """Name and pixels."""
    return file.metadata.path.rpartition("/")[2], np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))


def written(folder: str, name: str, denoised: np.ndarray) -> None:
    """Write a PNG, whole or not at all: a file system takes it when it is closed."""
    buffer = io.BytesIO()
    Image.fromarray(denoised).save(buffer, "png")
    with FileSystems.create(FileSystems.join(folder, f"{name.rpartition('.')[0]}.png")) as file:
        file.write(buffer.getvalue())


if __name__ == "__main__":
    images, folder, *options = sys.argv[1:]
    FileSystems.exists(folder) or FileSystems.mkdirs(folder)
    with beam.Pipeline(options=PipelineOptions(options, save_main_session=True)) as pipeline:
        found = pipeline | fileio.MatchFiles(images) | beam.Reshuffle() | fileio.ReadMatches() | beam.Map(decoded)
        results = found | RunInference(KeyedModelHandler(Denoising()))
        results | beam.MapTuple(lambda name, result: written(folder, name, result))
