"""Denoise RGB images with Ray Data: actors that hold the model, on this machine or on a cluster (RAY_ADDRESS).

pip install n2n-tf 'ray[data]'
python examples/ray_denoise.py noisy denoised [ACTORS]
"""

import os
import sys
from typing import Any

import numpy as np
import ray
from PIL import Image


class Denoise:
    """An actor: loads the model once."""

    def __init__(self) -> None:
        import n2n_tf  # imports TensorFlow here, not where the plan is made

        self._denoiser = n2n_tf.Denoiser(n2n_tf.load_denoiser("blind"))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Images of any sizes, uint8 [H, W, 3]."""
        return {"path": batch["path"], "png": [self._denoiser(np.asarray(image)) for image in batch["image"]]}


class Write:
    """Puts a result into a folder that all machines see, whole or not at all."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The name of the file."""
        target = os.path.join(self._folder, os.path.basename(row["path"]).rpartition(".")[0] + ".png")
        temporary = f"{target}.{os.getpid()}.partial"
        Image.fromarray(row["png"]).save(temporary, "png")
        os.replace(temporary, target)
        return {"written": target}


if __name__ == "__main__":
    images, folder, actors = sys.argv[1], os.path.abspath(sys.argv[2]), int((*sys.argv, 1)[3])
    os.makedirs(folder, exist_ok=True)
    found = ray.data.read_images(images, mode="RGB", include_paths=True)
    denoised = found.map_batches(Denoise, batch_size=4, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=actors))
    print(denoised.map(Write(folder).__call__).count(), "images")
