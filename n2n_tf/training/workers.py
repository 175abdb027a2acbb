"""The processes and devices that train one model together."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

import tensorflow as tf

from n2n_tf.config import LostWorkerError, UsageError, gist
from n2n_tf.training.cluster import Cluster, find_cluster, names_cluster
from n2n_tf.training.settings import RunSettings

logger = logging.getLogger(__name__)

GONE = (
    tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError, tf.errors.InternalError, tf.errors.UnknownError,
)  # fmt: skip


class Workers:
    """The workers of a run: processes with one or more devices each. Most runs have one.

    All compute the gradients of their rows of the batch and make the same step. The chief alone writes.

    Attributes:
        number: of this worker, from 0.
        count: of workers.
        strategy: what distributes; there after `join`.

    Args:
        run: its strategy and precision.
        batch_size: over all replicas.

    Raises:
        UsageError: the environment names no workers, where the settings ask for several.
    """

    strategy: tf.distribute.Strategy

    def __init__(self, run: RunSettings, batch_size: int):
        self._run, self._batch_size = run, batch_size
        self._cluster: Cluster | None = None
        if run.strategy == "multiworker" or (run.strategy == "auto" and names_cluster()):
            self._cluster = find_cluster()
        self.number = self._cluster.number if self._cluster else 0
        self.count = len(self._cluster.workers) if self._cluster else 1

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.number == 0

    def join(self) -> None:
        """Make the strategy, before anything else of TensorFlow is used. Several workers wait for each other here.

        Raises:
            UsageError: the batch cannot be shared among all devices, or TensorFlow was used before.
            LostWorkerError: the others cannot be reached.
        """
        if self._cluster and self.count > 1:
            gpus = tf.config.get_visible_devices("GPU")
            if self._run.jit_compile == "on" and not gpus:
                raise UsageError("`jit_compile` on: XLA has no way to talk to other workers on CPUs; leave it out")
            self.strategy = _several(self._cluster, len(gpus))
        else:
            self.strategy = _one(self._run.strategy, self._batch_size)
        replicas, batch = self.strategy.num_replicas_in_sync, self._batch_size
        if batch % replicas:
            raise UsageError(
                f"`batch_size` {batch}: wanted a multiple of the {replicas} devices; "
                f"try {replicas * max(1, round(batch / replicas))}"
            )

    def gather(self, value: int) -> list[int]:
        """The value of each worker, in their order. Waits for all of them."""
        if self.count == 1:
            return [value]
        values = self._gather(tf.constant(int(value), tf.int64)).numpy()
        return values[:: self.strategy.num_replicas_in_sync // self.count].tolist()

    def wait(self) -> None:
        """Until all workers are here."""
        self.gather(0)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What several workers do together. TensorFlow notices within 20 seconds that one has gone.

        Raises:
            LostWorkerError: one has gone.
        """
        try:
            yield
        except GONE as error:
            if self.count == 1:
                raise
            lost = f"worker {self.number} of {self.count} lost another one ({gist(error)[:200]})"
            raise LostWorkerError(f"{lost}; start all of them again, with `resume` auto") from error

    @tf.function
    def _gather(self, value: tf.Tensor) -> tf.Tensor:
        return self.strategy.gather(self.strategy.run(lambda: value[None]), axis=0)


def _several(cluster: Cluster, gpus: int) -> tf.distribute.Strategy:
    logger.info(
        "worker %d of %s; waiting for the others (Ctrl-\\ ends that)", cluster.number, ", ".join(cluster.workers)
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.jobs), task_type=cluster.job, task_id=cluster.index, rpc_layer="grpc",
        num_accelerators={"GPU": gpus},  # else it takes the CPU
    )  # fmt: skip
    sigterm = signal.getsignal(signal.SIGTERM)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.OpError as error:
        raise LostWorkerError(f"worker {cluster.number} cannot join {cluster.workers}: {gist(error)}") from error
    except RuntimeError as error:
        raise UsageError(
            f"`strategy` multiworker: {gist(error)}; it must come before other work of TensorFlow"
        ) from error
    finally:
        if sigterm is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, sigterm)  # TensorFlow puts a handler there that does nothing


def _one(strategy: str, batch: int) -> tf.distribute.Strategy:
    """Of one machine; one device needs none. `auto` takes as many as divide the batch."""
    devices = [d.name for d in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if strategy == "auto":
        most = max(count for count in range(1, len(devices) + 1) if batch % count == 0)
        if most < len(devices):
            logger.info(
                "`batch_size` %d does not divide among %d devices: %d of them train; a multiple of %d takes all",
                batch, len(devices), most, len(devices),
            )  # fmt: skip
        devices = devices[:most]
    if strategy == "mirrored" or (strategy != "none" and len(devices) > 1):
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()
