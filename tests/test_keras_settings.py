"""Keras as another program of this user configured it."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import n2n_tf, numpy as np
network = n2n_tf.networks.unet(3, 4)
image = n2n_tf.denoise(network, np.zeros((32, 64, 3), np.float32))
print(image.shape, image.dtype, sorted({str(weight.dtype) for weight in network.weights}), network.input_shape)
"""


def python(code, home, settings, **variables):
    (home / "keras.json").write_text(json.dumps(settings))
    environment = {**os.environ, "KERAS_HOME": str(home), **variables}
    if not variables:
        environment.pop("KERAS_BACKEND", None)
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_data_format": "channels_first", "backend": "jax"}, "image_data_format channels_first: set to"),
        ({"floatx": "float16", "backend": "torch"}, "floatx float16: set to float32"),
        ({"floatx": "float64"}, "floatx float64: set to float32"),
    ],
)
def test_a_library_works_whatever_keras_json_says(settings, said, tmp_path):
    ran = python(SCRIPT, tmp_path, settings)
    assert ran.stdout.strip() == "(32, 64, 3) float32 ['float32'] (None, None, None, 3)", ran.stderr
    assert said in ran.stderr


def test_another_backend_in_use_is_one_clear_error(tmp_path):
    code = "import keras; keras.backend.backend = lambda: 'jax'\nimport n2n_tf.compat"
    ran = python(code, tmp_path, {})
    assert ran.returncode == 1
    wanted = (
        "UsageError: Keras runs on jax; wanted tensorflow: import n2n_tf before keras, and leave KERAS_BACKEND unset "
        "or set it to tensorflow"
    )
    assert ran.stderr.strip().endswith(wanted)
