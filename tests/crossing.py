"""Write denoisers, or read those that another version wrote: `python -m tests.crossing write|read DIRECTORY`."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.exporting.check import check
from n2n_tf.inference import load_denoiser, save_denoiser
from n2n_tf.networks import NETWORKS

CASES = [("unet", 3), ("unet", 4), *((name, 1) for name in NETWORKS)]
EXPORTED = CASES[:2]
IMAGE = np.random.default_rng(0).random((1, 64, 96, 4), np.float32)


def write(folder: Path) -> None:
    """Every network with lively weights, what it gives, and two exports."""
    random = np.random.default_rng(1)
    for name, channels in CASES:
        network = NETWORKS[name](channels, features=16, seed=0)
        # no two alike, so that one in another's place would show; variances are not negative
        network.set_weights([random.uniform(0, 0.1, w.shape) - 0.04 * (w.ndim > 1) for w in network.get_weights()])
        path = folder / f"{name}{channels}.keras"
        save_denoiser(network, path)
        np.save(path.with_suffix(".npy"), np.asarray(network(IMAGE[..., :channels])))
        if (name, channels) in EXPORTED:
            assert main(["export", str(path), "--output", str(folder / f"export{channels}")]) == 0


def read(folder: Path) -> None:
    """Fail unless weights and exports give the same numbers here; .keras files name the way round."""
    for name, channels in CASES:
        path, here = folder / f"{name}{channels}.keras", folder / f"here-{name}{channels}.keras"
        expected = np.load(path.with_suffix(".npy"))
        with pytest.raises(
            UsageError, match=rf"does not read it.*n2n-tf convert .*{name}{channels}.weights.h5 --output"
        ):
            load_denoiser(path)
        assert main(["convert", str(path.with_suffix(".weights.h5")), "--output", str(here)]) == 0
        image = IMAGE[..., :channels]
        network = load_denoiser(here)
        np.testing.assert_allclose(network(image), expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=path)
        if (name, channels) in EXPORTED:  # every signature, through the C++ loader
            check(network, folder / f"export{channels}" / "1")
    print(f"Keras {keras.__version__} read {len(CASES)} networks")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
