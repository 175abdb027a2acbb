"""The processes and devices that train one model together."""

import contextlib
import logging
import os
from collections.abc import Iterator

import tensorflow as tf

from n2n_tf.config import Config, RunError, UsageError, gist
from n2n_tf.training.cluster import Cluster, find_cluster

logger = logging.getLogger(__name__)

GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class Workers:
    """The workers of a run, each with one or more devices; on one machine it is one worker.

    All compute the gradients of their rows of the batch and make the same step. The chief alone writes. To be made
    before anything else of TensorFlow is used: several workers wait for each other here.

    Attributes:
        strategy: what distributes.
        number: of this worker, from 0.
        count: of workers.

    Args:
        config: its strategy and batch_size are used.

    Raises:
        UsageError: no such workers, or the batch cannot be shared among all devices.
    """

    def __init__(self, config: Config):
        self.number, self.count = 0, 1
        if config.strategy == "multiworker" or (config.strategy == "auto" and "TF_CONFIG" in os.environ):
            cluster = find_cluster()
            self.number, self.count = cluster.number, len(cluster.workers)
        self.strategy = _several(cluster) if self.count > 1 else _one(config.strategy)
        replicas = self.strategy.num_replicas_in_sync
        if config.batch_size % replicas:
            raise UsageError(
                f"--batch-size {config.batch_size}: wanted a multiple of the {replicas} devices; "
                f"try {replicas * max(1, round(config.batch_size / replicas))}"
            )

    @property
    def chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.number == 0

    def gather(self, value: int) -> list[int]:
        """The value of each worker, in their order. Waits for all of them.

        Raises:
            RunError: one has gone.
        """
        if self.count == 1:
            return [value]
        with self.together():
            values = self._gather(tf.constant(int(value))).numpy()
        return values[:: self.strategy.num_replicas_in_sync // self.count].tolist()

    def wait(self) -> None:
        """Until all workers are here; as `gather`."""
        self.gather(0)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Work that all workers share. TensorFlow notices within 20 seconds that one has gone.

        Raises:
            RunError: one has gone.
        """
        try:
            yield
        except GONE as error:
            if self.count == 1:
                raise
            raise RunError(
                f"worker {self.number} of {self.count} lost another one; start all of them again, with --resume auto"
            ) from error

    @tf.function
    def _gather(self, value: tf.Tensor) -> tf.Tensor:
        return self.strategy.gather(self.strategy.run(lambda: value[None]), axis=0)


def _several(cluster: Cluster) -> tf.distribute.Strategy:
    """Waits for the others.

    Raises:
        RunError: they cannot be reached.
        UsageError: TensorFlow was used before.
    """
    logger.info("worker %d of %s; waiting for the others", cluster.number, ", ".join(cluster.workers))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster.jobs), task_type=cluster.job, task_id=cluster.index, rpc_layer="grpc"
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.OpError as error:
        raise RunError(f"worker {cluster.number} cannot join {cluster.workers}: {gist(error)}") from error
    except RuntimeError as error:
        raise UsageError(
            f"--strategy multiworker: {gist(error)}; it must come before other work of TensorFlow"
        ) from error


def _one(strategy: str) -> tf.distribute.Strategy:
    """Of one machine; one device needs none."""
    devices = [d.name for d in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if strategy == "mirrored" or (strategy == "auto" and len(devices) > 1):
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()
