"""The workers of a run over several machines, as the environment names them: TF_CONFIG, Kubernetes or SLURM."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from n2n_tf.config import UsageError, gist

PORT = 20000  # of a worker, where the environment does not name it


@dataclass(frozen=True)
class Cluster:
    """Who the workers are, and which one this is.

    Attributes:
        jobs: "host:port" of the workers by job, "chief" (if there is one) before "worker".
        job, index: of this worker.
    """

    jobs: dict[str, list[str]]
    job: str
    index: int

    @property
    def workers(self) -> list[str]:
        """All of them, the chief first."""
        return [worker for job in self.jobs.values() for worker in job]

    def __post_init__(self) -> None:
        if not 0 <= self.index < len(self.jobs[self.job]):
            raise ValueError(f"no {self.job} {self.index} among {self.jobs}")

    @property
    def number(self) -> int:
        """Of this worker; the chief has 0."""
        return self.workers.index(self.jobs[self.job][self.index])


def names_cluster() -> bool:
    """Whether TF_CONFIG, which means nothing else, has a cluster."""
    try:
        return bool(json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"))
    except (ValueError, AttributeError):
        return True  # `find_cluster` says what is wrong


def find_cluster() -> Cluster:
    """The cluster that the environment names.

    Raises:
        UsageError: it names none, or not in the form wanted.
    """
    for variable, (read, form) in CLUSTERS.items():
        if variable in os.environ:
            try:
                return read()
            except (LookupError, TypeError, ValueError, RuntimeError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else gist(error)
                raise UsageError(f"`strategy` multiworker: {variable}: {what}; wanted {form}") from error
    forms = ", or ".join(form for _, form in CLUSTERS.values())
    raise UsageError(f"`strategy` multiworker: the environment names no workers; wanted {forms}")


def _tf_config() -> Cluster:
    given = json.loads(os.environ["TF_CONFIG"])
    jobs = {job: given["cluster"][job] for job in ("chief", "worker") if job in given["cluster"]}
    if not all(isinstance(each, list) and all(isinstance(worker, str) for worker in each) for each in jobs.values()):
        raise TypeError(f"the workers are {jobs}")
    return Cluster(jobs, given["task"]["type"], int(given["task"]["index"]))


def _kubernetes() -> Cluster:
    """The pods of an indexed Job are named JOB-0, JOB-1, ...; a headless service makes that their address."""
    index, count = int(os.environ["JOB_COMPLETION_INDEX"]), int(os.environ["N2N_WORKERS"])
    job, service = os.environ["HOSTNAME"].removesuffix(f"-{index}"), os.environ["N2N_SERVICE"]
    return Cluster({"worker": [f"{job}-{each}.{service}:{PORT}" for each in range(count)]}, "worker", index)


def _slurm() -> Cluster:
    """Each task of the step is a worker; SLURM itself deals out the GPUs."""
    port = PORT + int(os.environ["SLURM_JOB_ID"]) % 625 * 16  # jobs on one node keep apart, with up to 16 tasks there
    tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    # "one GPU a task" leads the resolver past nvidia-smi, which CPU nodes do not have
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        port_base=port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
    )
    workers = resolver.cluster_spec().job_tasks("worker")
    # not the rank: the resolver puts node10 before node2
    own = f"{os.environ['SLURMD_NODENAME']}:{port + int(os.environ['SLURM_LOCALID'])}"
    return Cluster({"worker": workers}, "worker", workers.index(own))


CLUSTERS: dict[str, tuple[Callable[[], Cluster], str]] = {
    "TF_CONFIG": (
        _tf_config,
        'TF_CONFIG=\'{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}\'',
    ),
    "JOB_COMPLETION_INDEX": (
        _kubernetes, "a Kubernetes indexed Job with N2N_WORKERS and N2N_SERVICE, as deploy/kubernetes-train.yaml",
    ),
    "SLURM_STEP_NUM_TASKS": (_slurm, "a step of SLURM's srun, as in deploy/slurm-train.sh"),
}  # fmt: skip
