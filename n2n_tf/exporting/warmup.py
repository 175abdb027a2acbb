"""Warm-up requests: TensorFlow Serving answers them before it makes a version available."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from n2n_tf.inference.denoiser import SIDE_MULTIPLE

MODEL = "n2n"  # named in the requests; the server replays them to the version they lie in, whatever it is called


def write_warmup(functions: Mapping[str, tuple[Any, tf.TensorSpec]], path: Path) -> None:
    """Write one request for each signature: TFRecords of PredictionLog."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, (_, specification) in functions.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = MODEL, name
            request.inputs[specification.name].CopyFrom(tf.make_tensor_proto(_example(specification, functions)))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def _example(specification: tf.TensorSpec, functions: Mapping[str, tuple[Any, tf.TensorSpec]]) -> Any:
    channels = functions["uint8"][1].shape[-1]
    image = np.zeros((1, SIDE_MULTIPLE, SIDE_MULTIPLE, channels), np.uint8)
    if specification.dtype == tf.string:
        return tf.constant([tf.io.encode_png(image[0]).numpy()])
    return tf.cast(image, specification.dtype)
