"""A Dask cluster: one that is there, or one of processes on this machine for as long as it is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from n2n_tf.config import MEMORY, RunError, UsageError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
PATIENCE = 10  # seconds until a scheduler answers
SET_BY_DASK = ("PYTHONHASHSEED", "__DASK_PARENT_PID")  # in the environment of what starts its processes
USED = 0.8  # of the memory that workers may take together


def check_scheduler(scheduler: str) -> None:
    """Raise UsageError unless it is `local`, `local:N`, HOST:PORT or a scheduler's file, and Dask is installed."""
    if importlib.util.find_spec("distributed") is None:
        raise UsageError(f"`scheduler` {scheduler}: needs Dask: pip install n2n-tf[dask]")
    local = re.fullmatch(r"local(:[1-9][0-9]{0,3})?", scheduler)
    address = re.fullmatch(r"([a-z]+://)?[^\s/:]+:[0-9]{1,5}|([a-z]+://)?\[[0-9a-f:.]+\]:[0-9]{1,5}", scheduler)
    if not (local or os.path.isfile(scheduler) or (address and not scheduler.startswith(f"{LOCAL}:"))):
        raise UsageError(
            f"`scheduler` {scheduler}: wanted local, local:N for N processes, HOST:PORT of a Dask scheduler, or the "
            "file that it wrote"
        )


@contextlib.contextmanager
def connected(scheduler: str, memory: float = MEMORY) -> Iterator[Client]:
    """A client of a scheduler.

    Args:
        scheduler: as `check_scheduler` takes it.
        memory: GB that each of the processes may take; decides how many `local` starts.

    Raises:
        UsageError: as `check_scheduler`.
        RunError: no answer, or local processes that do not start.
    """
    check_scheduler(scheduler)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told by those who wait for it
    with contextlib.ExitStack() as stack:
        if scheduler.partition(":")[0] == LOCAL:
            given = scheduler.partition(":")[2]
            target: Any = stack.enter_context(_local(int(given) if given else _fitting(memory)))
        else:
            target = scheduler
        client = _client(target, scheduler)
        stack.callback(_close, client)
        yield client


def _client(target: Any, name: str) -> Client:
    from distributed import Client

    where = {"scheduler_file": target} if isinstance(target, str) and os.path.isfile(target) else {"address": target}
    try:
        return Client(timeout=PATIENCE, set_as_default=False, **where)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(
            f"`scheduler` {name}: no Dask scheduler there in {PATIENCE} s; start one, dask scheduler, or say local"
        ) from error


@contextlib.contextmanager
def _local(count: int) -> Iterator[Any]:
    """Processes of this machine: spawned, since TensorFlow cannot be forked; the cores are shared out among them.

    Dask's own limit of their memory is off: `memory` is one already, and a worker that is paused or ended at it would
    only begin anew.
    """
    import dask
    from dask.system import CPU_COUNT
    from distributed import LocalCluster

    threads = str(max(1, CPU_COUNT // count))
    environment = {
        "TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow",
    }  # fmt: skip
    configured = {
        "distributed.worker.multiprocessing-method": "spawn", "distributed.nanny.pre-spawn-environ": environment
    }  # fmt: skip
    with _left_alone({*environment, *SET_BY_DASK}), dask.config.set(configured):
        try:
            cluster = LocalCluster(
                n_workers=count, threads_per_worker=1, processes=True, memory_limit=0,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL, host="127.0.0.1", env=environment,
                preload=["n2n_tf.tasks.local_worker", *dask.config.get("distributed.worker.preload")],
            )  # fmt: skip
        except (OSError, RuntimeError) as error:
            raise RunError(f"`scheduler` local:{count}: the processes do not start: {error}") from error
        try:
            yield cluster
        finally:
            with contextlib.suppress(TimeoutError):
                cluster.close(timeout=PATIENCE)


@contextlib.contextmanager
def _left_alone(names: Collection[str]) -> Iterator[None]:
    """Put variables of the environment back: Dask sets them here too, for the processes that it starts."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _fitting(memory: float) -> int:
    """As many processes as there are cores, and memory for each."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    return max(1, min(CPU_COUNT, int(USED * MEMORY_LIMIT / 1e9 / memory)))


def _close(client: Client) -> None:
    with contextlib.suppress(TimeoutError, OSError):
        client.close(timeout=PATIENCE)
