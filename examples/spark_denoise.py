"""Denoise RGB images with Spark's predict_batch_udf: on this machine, or on a cluster through spark-submit.

pip install n2n-tf pyspark pandas pyarrow            # and Java 17 or later
python examples/spark_denoise.py noisy denoised
"""

import base64
import io
import os
import sys
from collections.abc import Callable

import numpy as np
from PIL import Image
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Row, SparkSession
from pyspark.sql.functions import unbase64
from pyspark.sql.types import StringType


def make_predict() -> Callable[[np.ndarray], np.ndarray]:
    """Loads the model once in each Python process of an executor."""
    import n2n_tf

    denoiser = n2n_tf.Denoiser(n2n_tf.load_denoiser("blind"))

    def png(content: bytes) -> str:
        buffer = io.BytesIO()
        Image.fromarray(denoiser(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))).save(buffer, "png")
        return base64.b64encode(buffer.getvalue()).decode()  # predict_batch_udf returns no bytes

    return lambda contents: np.array([png(each) for each in contents], dtype=object)  # files of any sizes


def write(folder: str, row: Row) -> None:
    """Put a result into a folder that all machines see, whole or not at all."""
    target = os.path.join(folder, os.path.basename(row.path).rpartition(".")[0] + ".png")
    temporary = f"{target}.{os.getpid()}.partial"
    with open(temporary, "wb") as file:
        file.write(row.png)
    os.replace(temporary, target)


if __name__ == "__main__":
    images, folder = map(os.path.abspath, sys.argv[1:])
    os.makedirs(folder, exist_ok=True)
    spark = SparkSession.builder.appName("denoise").getOrCreate()
    found = spark.read.format("binaryFile").load(images)
    denoise = predict_batch_udf(make_predict, return_type=StringType(), batch_size=4)
    found.select("path", unbase64(denoise("content")).alias("png")).foreach(lambda row: write(folder, row))
    spark.stop()
