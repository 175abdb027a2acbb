"""What the weights of a run depend on besides its settings: versions, the machine, its threads."""

import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf import __version__
from n2n_tf.training.settings import RunSettings
from n2n_tf.training.workers import Workers

NUMERIC_VARIABLES = {  # of the environment: they change how TensorFlow rounds
    "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "XLA_FLAGS", "TF_XLA_FLAGS",
}  # fmt: skip


def environment(run: RunSettings, workers: Workers) -> dict[str, Any]:
    """What the weights of a run depend on besides its settings."""
    return {
        "n2n_tf": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "processor": _processor(),
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": [str(tf.config.experimental.get_device_details(gpu)) for gpu in tf.config.list_physical_devices("GPU")],
        "variables": {name: value for name, value in sorted(os.environ.items()) if name in NUMERIC_VARIABLES},
        "jit_compile": run.jit_compile,
        "replicas": workers.strategy.num_replicas_in_sync,
        "workers": workers.count,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # Linux; platform.processor() says nothing there
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    # the flags tell machines of one name apart, and choose TensorFlow's kernels
    described = {line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "flags"))}
    digest = hashlib.sha256("".join(sorted(described)).encode()).hexdigest()[:12]
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name} ({digest})"
