"""Warm-up requests: TensorFlow Serving answers them before it makes a version available."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from n2n_tf.exporting.signatures import Signature
from n2n_tf.formats import bayer
from n2n_tf.inference.denoiser import SIDE_MULTIPLE

MODEL = "n2n"  # named in the requests; the server replays them to the version they lie in, whatever it is called


def write_warmup(functions: Mapping[str, Signature], path: Path) -> None:
    """Write one request for each signature: TFRecords of PredictionLog."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = functions["uint8"][1][0].shape[-1]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, (_, specifications) in functions.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = MODEL, name
            for each in specifications:
                request.inputs[each.name].CopyFrom(tf.make_tensor_proto(_example(each, channels)))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def _example(specification: tf.TensorSpec, channels: int) -> tf.Tensor:
    if specification.name == "pattern":
        return tf.constant([next(iter(bayer.RED))])
    if specification.dtype == tf.string:
        image = np.zeros((SIDE_MULTIPLE, SIDE_MULTIPLE, channels), np.uint8)
        return tf.constant([tf.io.encode_png(image).numpy()])
    return tf.zeros((1, SIDE_MULTIPLE, SIDE_MULTIPLE, specification.shape[-1]), specification.dtype)
