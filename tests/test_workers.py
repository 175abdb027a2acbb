"""Several workers: who they are, which rows of a batch each takes, and that together they do what one does."""

import argparse
import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from n2n_tf.cli import train
from n2n_tf.cli.main import main
from n2n_tf.compat import KERAS_2
from n2n_tf.config import RunError, UsageError
from n2n_tf.data.images import find_images
from n2n_tf.data.pipeline import Recipe, element_numbers, training_batches
from n2n_tf.data.settings import CropSettings
from n2n_tf.noise import Gaussian
from n2n_tf.ownership import owned
from n2n_tf.training import begin
from n2n_tf.training.cluster import find_cluster
from n2n_tf.training.config import config_from
from n2n_tf.training.settings import RunSettings
from n2n_tf.training.workers import Workers
from tests.conftest import make_photos
from tests.runs import ROOT, trained
from tests.scenes import blurred, rounded, scene

pytestmark = pytest.mark.usefixtures("two_layers")

DEPLOY = ROOT / "deploy"
SLURM = {
    "SLURM_JOB_ID": "632", "SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_TASKS_PER_NODE": "2,1", "SLURM_PROCID": "0",
    "SLURM_STEP_NODELIST": "node[2,10]", "SLURM_LOCALID": "1", "SLURMD_NODENAME": "node2",
}  # fmt: skip
POD = {"JOB_COMPLETION_INDEX": "1", "HOSTNAME": "a-job-1", "N2N_WORKERS": "3", "N2N_SERVICE": "a-service"}


@pytest.fixture
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM", "TF_CONFIG", "JOB_COMPLETION", "N2N")):
            monkeypatch.delenv(name)

    def put(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))

    return put


def tf_config(job="worker", index=0, **cluster):
    cluster = cluster or {"worker": ["a:1", "b:1"]}
    return {"TF_CONFIG": {"cluster": cluster, "task": {"type": job, "index": index}}}


@pytest.mark.parametrize(
    ("variables", "workers", "number"),
    [
        (tf_config(index=1), ["a:1", "b:1"], 1),
        (tf_config("worker", 0, worker=["b:1"], chief=["a:1"], evaluator=["c:1"]), ["a:1", "b:1"], 1),
        (tf_config("chief", 0, worker=["b:1"], chief=["a:1"]), ["a:1", "b:1"], 0),
        (POD, [f"a-job-{number}.a-service:20000" for number in range(3)], 1),
        # as SLURM 22.05 set them, but for the number of tasks on node2; TensorFlow sorts the nodes
        (SLURM, ["node10:20112", "node2:20112", "node2:20113"], 2),
    ],
    ids=["TF_CONFIG", "a chief apart", "the chief", "Kubernetes", "SLURM"],
)
def test_the_environment_names_the_workers(environment, variables, workers, number):
    environment(variables)
    cluster = find_cluster()
    assert cluster.workers == workers
    assert cluster.number == number


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, r"the environment names no workers; wanted TF_CONFIG='\{.*, or a Kubernetes .*, or a step of SLURM"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG: JSONDecodeError: .*; wanted TF_CONFIG="),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG: TypeError"),
        (tf_config(worker="a:1"), "TF_CONFIG: TypeError: the workers are {'worker': 'a:1'}; wanted TF_CONFIG="),
        (tf_config(worker=[1, 2]), r"TF_CONFIG: TypeError: the workers are {'worker': \[1, 2\]}; wanted TF_CONFIG="),
        ({"TF_CONFIG": {"cluster": {}}}, "TF_CONFIG: no 'task'"),
        (tf_config(index=2), "TF_CONFIG: ValueError: no worker 2 among"),
        (tf_config("evaluator"), "TF_CONFIG: no 'evaluator'"),
        ({**POD, "N2N_WORKERS": "1"}, "JOB_COMPLETION_INDEX: ValueError: no worker 1"),
        (
            {"JOB_COMPLETION_INDEX": "1"},
            "JOB_COMPLETION_INDEX: no 'N2N_WORKERS'; wanted a Kubernetes indexed Job with N2N_WORKERS",
        ),
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "x"}, "SLURM_STEP_NUM_TASKS: ValueError: Invalid tasks-per-node"),
    ],
)
def test_an_environment_that_names_none(environment, variables, message):
    environment(variables)
    with pytest.raises(UsageError, match="`strategy` multiworker: " + message):
        find_cluster()


def test_one_worker_needs_no_others(environment):
    environment(tf_config(worker=["a:1"]))
    workers = Workers(RunSettings(strategy="multiworker"), 4)
    workers.join()
    assert (workers.chief, workers.count, workers.gather(5)) == (True, 1, [5])


def test_too_late(environment):
    """Unit tests have used TensorFlow already."""
    tf.constant(0)
    environment(tf_config())
    with pytest.raises(UsageError, match="must be configured at program startup; it must come before other work"):
        Workers(RunSettings(), 4).join()  # auto, since TF_CONFIG names two


def test_xla_cannot_talk_to_other_workers_on_cpus(environment):
    environment(tf_config())
    with pytest.raises(UsageError, match="`jit_compile` on: XLA has no way"):
        Workers(RunSettings(jit_compile="on"), 4).join()


@pytest.mark.parametrize("given", ["", "{}", {"cluster": {}}])
def test_tf_config_without_a_cluster_is_no_wish(environment, given):
    environment({"TF_CONFIG": given})
    assert Workers(RunSettings(), 4).count == 1


OWNER = """
    import sys
    from pathlib import Path
    from n2n_tf.ownership import owned
    with owned(Path(sys.argv[1]), 1):
        print("mine", flush=True)
        sys.stdin.read()
"""


def test_a_second_process_of_a_worker_ends_before_it_joins(environment, photos, tmp_path):
    """It would end the living run. Other workers of that run are welcome."""
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path / "run")]
    environment(tf_config(index=1, worker=["a:1", "b:1", "c:1"]))
    config = config_from({"data": [str(photos)], "noise": "none"})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(RunError, match=f"process {process.pid} on {os.uname().nodename} is training there"):
            begin.train(config, tmp_path / "run", go_on=True)
        for number in (0, 2):
            with owned(tmp_path / "run", number):
                pass
        process.communicate()
    assert not (tmp_path / "run").exists()


def test_workers_use_their_gpus(environment, monkeypatch):
    """None is at hand: what the strategy is told of them."""
    environment(tf_config(index=1))
    told = []

    def strategy(resolver):
        told.append((resolver.task_id, resolver.num_accelerators()))
        return tf.distribute.get_strategy()

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", strategy)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0", "GPU:1"])
    Workers(RunSettings(), 4).join()
    assert told == [(1, {"GPU": 2})]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_rows_of_a_batch(workers):
    """Worker w takes rows [w·b, (w+1)·b) of each batch: none twice, none lost; resumed or not."""
    batches = np.stack([list(element_numbers(0, 8, w, workers).take(24 // workers)) for w in range(workers)])
    batches = batches.reshape(workers, 3, 8 // workers).transpose(1, 0, 2).reshape(3, 8)
    np.testing.assert_array_equal(batches, np.arange(24).reshape(3, 8))
    for w in range(workers):
        resumed = list(element_numbers(2, 8, w, workers).take(8 // workers))
        np.testing.assert_array_equal(resumed, batches[2].reshape(workers, -1)[w])


def test_the_batches_of_workers_are_those_of_one(photos):
    recipe = Recipe(CropSettings(patch_size=64, batch_size=8), Gaussian(0.1), 0)
    images = find_images([str(photos)], 3)

    def batches(count, context=None):
        return [pair[0].numpy() for pair in training_batches(images, recipe, 5, context).take(count)]

    whole = np.stack(batches(2))
    for number in range(2):  # each with two replicas, which take turns
        mine = batches(4, tf.distribute.InputContext(2, number, 4))
        np.testing.assert_array_equal(
            np.reshape(mine, (2, 4, 64, 64, 3)), whole[:, 4 * number : 4 * number + 4], err_msg=str(number)
        )


# Two real processes. Each keeps its weights; worker 1 has a copy of the run directory, to see what it writes there.
WORKER = """
    import os, shutil, sys
    import numpy as np
    from n2n_tf.cli.main import main
    from n2n_tf.networks import NETWORKS
    from n2n_tf.training import divergence, run, workers
    from tests.runs import two_layers
    NETWORKS["two_layers"] = two_layers

    output, number = sys.argv[-1], os.environ["SLURM_LOCALID"]
    own, stop = os.environ.get("OWN_COPY"), os.environ.get("STOP", "").split()
    models, make, gather = [], run.build_model, workers.Workers.gather

    def remember(*args):
        models.append(make(*args))
        return models[-1]

    def copy_when_begun(self, value):
        values = gather(self, value)
        if not os.path.exists(f"{own}/config.json"):
            shutil.copytree(output, own, dirs_exist_ok=True)
        return values

    def send(self, batch, logs=None):
        worker, step, signal = stop
        if number == worker and self.model.optimizer.iterations.numpy() == int(step):
            os.kill(os.getpid(), int(signal))

    run.build_model = remember
    arguments = sys.argv[1:]
    if own and number == "1":
        workers.Workers.gather = copy_when_begun
        arguments[-1] = own
    if stop:
        divergence.StopAtNaN.on_train_batch_begin = send
    status = main(arguments)
    if models and status == 0:
        file = f"{output}/../weights{number}.npz"
        np.savez(file, *models[0].network.get_weights(), iterations=models[0].optimizer.iterations.numpy())
    sys.exit(status)
"""
# What srun does on one node: two tasks with these variables; its status is the highest of theirs.
SRUN = """
    #!/bin/bash
    export SLURM_STEP_NUM_TASKS=2 SLURM_STEP_TASKS_PER_NODE=2 SLURM_STEP_NODELIST=localhost SLURMD_NODENAME=localhost
    shift  # --cpus-per-task
    for rank in 0 1; do SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" 2> $rank.log & tasks+=($!); done
    for task in ${tasks[@]}; do wait $task; echo $? >> statuses; done
    exit $(tail -n 2 statuses | sort -n | tail -n 1)
"""
SETTINGS = ["--network", "two_layers", "--features", "4", "--noise", "gaussian", "--patch-size", "64"]
SETTINGS += ["--batch-size", "4", "--epochs", "2", "--steps-per-epoch", "20", "--checkpoint-steps", "8", "--ema", "0.9"]
SETTINGS += ["--learning-rate", "1e-4"]


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Stand-ins for SLURM's programs, and photographs."""
    tools = tmp_path_factory.mktemp("tools")
    make_photos(tools / "photos")
    scripts = {
        "srun": textwrap.dedent(SRUN).strip(),
        "scontrol": f'#!/bin/bash\necho "$@" >> {tools}/scontrol.log',
        "n2n-tf": f'#!/bin/bash\nexec {sys.executable} {tools}/worker.py "$@"',
        "worker.py": textwrap.dedent(WORKER),
    }
    for name, script in scripts.items():
        (tools / name).write_text(script + "\n")
        (tools / name).chmod(0o755)
    return tools


def submit(tools, run, *more, **variables):
    """deploy/slurm-train.sh with two workers; its exit status."""
    run.parent.mkdir(exist_ok=True)
    first = {"PATH": tools, "PYTHONPATH": ROOT}
    found = {name: os.pathsep.join([str(path), os.environ.get(name, "")]) for name, path in first.items()}
    script = subprocess.Popen(
        [DEPLOY / "slurm-train.sh", "--data", tools / "photos", *SETTINGS, *more, "--output", run],
        env={**os.environ, **found, "SLURM_JOB_ID": str(os.getpid()), **variables},
        cwd=run.parent, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return script.wait(120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)


def requeues(tools):
    log = tools / "scontrol.log"
    return log.read_text().splitlines() if log.exists() else []


def logs(run):
    return [(run.parent / f"{number}.log").read_text() for number in range(2)]


@pytest.fixture(scope="module")
def whole(tools):
    """A run of two workers that nothing disturbed; worker 1 sees another directory."""
    run = tools / "whole" / "run"
    assert submit(tools, run, OWN_COPY=f"{run}-1") == 0, logs(run)
    return run


def weights(run, number):
    with np.load(run.parent / f"weights{number}.npz") as file:
        return dict(file)


def test_two_processes_end_with_the_weights_of_one(whole, tools):
    first, second = (weights(whole, number) for number in range(2))
    assert len(first) == 5
    assert first["iterations"] == 40
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert main(["train", "--data", str(tools / "photos"), *SETTINGS, "--output", str(tools / "one")]) == 0
    for number, weight in enumerate(trained(tools / "one")):
        np.testing.assert_allclose(first[f"arr_{number}"], weight, atol=2e-5 if KERAS_2 else 1e-5)  # 1.2e-5 seen there
    means = [list(csv.DictReader((path / "history.csv").open())) for path in (whole, tools / "one")]
    for two, one in zip(*means, strict=True):
        for name, value in one.items():
            assert float(two[name]) == pytest.approx(float(value), rel=1e-4), name
    reports = [json.loads((path / "report.json").read_text()) for path in (whole, tools / "one")]
    assert reports[0]["scores"] == pytest.approx(reports[1]["scores"], abs=1e-3)


def test_two_processes_have_both_stages(tools):
    """Of a run on images whose neighbours share noise."""
    noisy, run = tools / "noisy", tools / "stages" / "run"
    noisy.mkdir()
    for number in range(2):
        image = rounded(blurred(0.1 + 0.7 * scene(), 20, number))
        Image.fromarray(np.uint8(image * 255)).save(noisy / f"{number}.png")
    more = ["--data", str(noisy), "--noise", "none", "--patch-size", "128", "--epochs", "1"]
    assert submit(tools, run, *more) == 0, logs(run)
    assert json.loads((run / "config.json").read_text())["chosen"]["correlated"] == [2, 2]
    assert (run / "teacher" / "report.json").exists()
    assert (run / "report.json").exists()
    for name, value in weights(run, 0).items():
        np.testing.assert_array_equal(value, weights(run, 1)[name], err_msg=name)


def test_only_the_chief_writes(whole, tools):
    assert {str(path.relative_to(f"{whole}-1")) for path in Path(f"{whole}-1").rglob("*")} == {
        "config.json", "images.json", "owner.lock", "samples",  # what the chief had written when it was copied
    }  # fmt: skip
    assert {path.name for path in whole.iterdir()} == {
        "config.json", "images.json", "checkpoints", "denoiser.keras", "denoiser.weights.h5", "history.csv",
        "tensorboard", "samples", "report.json", "report.html",
    }  # fmt: skip


def test_a_job_that_loses_workers_ends_as_one_left_alone(whole, tools):
    """SIGTERM to one worker: both save and stop. kill -9 of the chief: the other ends. SLURM starts the job again."""
    run = tools / "stopped" / "run"
    assert submit(tools, run, STOP=f"1 3 {signal.SIGTERM:d}") == 143
    for log in logs(run):
        assert "stopped by SIGTERM after step 10, which is saved" in log
    assert (run / "checkpoints" / "step-10.index").exists()

    assert submit(tools, run, STOP=f"0 29 {signal.SIGKILL:d}") == 137
    assert (run.parent / "statuses").read_text().split() == ["143", "143", "137", "75"]
    assert "going on after step 10 of 40" in logs(run)[1]
    assert re.search("worker 1 of 2 lost another one .*; start all of them again, with --resume auto", logs(run)[1])
    assert "Traceback" not in logs(run)[1]
    assert requeues(tools) == [f"requeue {os.getpid()}"] * 2

    assert submit(tools, run) == 0, logs(run)
    assert "going on after step 24 of 40" in logs(run)[0]
    for number in range(2):
        expected, found = weights(whole, 0), weights(run, number)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_job_at_fault_is_not_started_again(whole, tools):
    before = requeues(tools)
    assert submit(tools, whole, "--network", "unnet") == 2
    assert "'unnet' is not known" in logs(whole)[0]
    assert requeues(tools) == before
    assert submit(tools, whole) == 0  # ended: nobody waits for the others
    assert "waiting for the others" not in logs(whole)[1]


def test_kubernetes_accepts_the_job_and_its_pods_find_each_other(environment):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes-train.yaml").read_text()))
    for manifest in found:
        kubernetes_validate.validate(manifest, "1.30", strict=True)
    claim, service, job = found
    spec, pod = job["spec"], job["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**job, "spec": {**spec, "completion": 2}}, "1.30", strict=True)

    variables = {each["name"]: each["value"] for each in container["env"]}
    environment({**variables, "JOB_COMPLETION_INDEX": "1", "HOSTNAME": f"{job['metadata']['name']}-1"})
    cluster = find_cluster()
    port = container["ports"][0]["containerPort"]
    assert cluster.workers == [f"n2n-train-{number}.n2n-train:{port}" for number in range(spec["completions"])]
    assert spec["parallelism"] == spec["completions"]
    assert pod["spec"]["subdomain"] == service["metadata"]["name"] == variables["N2N_SERVICE"]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    assert service["spec"]["ports"][0]["port"] == port
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    for rule in spec["podFailurePolicy"]["rules"][:2]:
        assert rule["onExitCodes"]["containerName"] == container["name"]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    assert parser.parse_args(container["args"][1:]).resume == "auto"
