"""The files of a deployment: do the programs that read them understand them?"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

SERVING = Path(__file__).parents[1] / "serving"
CONFIG = SERVING / "config"
MANIFESTS = sorted(SERVING.glob("kubernetes/*.yaml"))


def parsed(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config


def test_the_models_are_those_of_the_other_files():
    text = (CONFIG / "models.config").read_text()
    (model,) = parsed(text)
    assert (model.name, model.base_path, model.model_platform) == ("n2n", "/models/n2n", "tensorflow")
    assert dict(model.version_labels) == {"stable": 1}
    assert list(model.model_version_policy.specific.versions) == [1]
    by_kind = {each["kind"]: each for each in yaml.safe_load_all((SERVING / "kubernetes" / "n2n.yaml").read_text())}
    assert list(parsed(by_kind["ConfigMap"]["data"]["models.config"])) == [model]
    compose = yaml.safe_load((SERVING / "docker-compose.yml").read_text())["services"]["tensorflow-serving"]
    mounted = {volume.split(":")[1] for volume in compose["volumes"]}
    flags = dict(flag.removeprefix("--").split("=") for flag in compose["command"])
    for flag, name in (("model_config_file", "models.config"), ("monitoring_config_file", "monitoring.config")):
        assert Path(flags[flag]).parent.as_posix() in mounted
        assert (CONFIG / name).name == Path(flags[flag]).name
    assert Path(model.base_path).parent.as_posix() in mounted


def test_what_the_comments_offer_is_well_formed():
    """A canary in one edit, and a second model."""
    text = (CONFIG / "models.config").read_text()
    text = text.replace("    model_version_policy { specific { versions: 1 } }\n", "")
    text = re.sub(r"#   (model_version_policy .*\})    instead.*", r"\1", text)
    text = re.sub(r"#   (version_labels|config|  \w+:|\})", r"\1", text)
    model, second = parsed(text)
    assert list(model.model_version_policy.specific.versions) == [1, 2]
    assert dict(model.version_labels) == {"stable": 1, "canary": 2}
    assert (second.name, second.base_path) == ("n2n_gray", "/models/n2n_gray")


def messages() -> dict:
    """BatchingParameters and MonitoringConfig, with the documented names, numbers and types of their fields."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    integer = ".google.protobuf.Int64Value"
    fields = {
        "BatchingParameters": [
            ("max_batch_size", 1, integer), ("batch_timeout_micros", 2, integer),
            ("max_enqueued_batches", 3, integer), ("num_batch_threads", 4, integer),
            ("thread_pool_name", 5, ".google.protobuf.StringValue"), ("allowed_batch_sizes", 6, kinds.TYPE_INT64),
            ("pad_variable_length_inputs", 7, kinds.TYPE_BOOL),
        ],
        "PrometheusConfig": [("enable", 1, kinds.TYPE_BOOL), ("path", 2, kinds.TYPE_STRING)],
        "MonitoringConfig": [("prometheus_config", 1, ".test.PrometheusConfig")],
    }  # fmt: skip
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind in members:
            repeated = field == "allowed_batch_sizes"
            entry = message.field.add(
                name=field, number=number, label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            )
            if isinstance(kind, str):
                entry.type, entry.type_name = kinds.TYPE_MESSAGE, kind
            else:
                entry.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}")) for name in fields}


def test_batching_is_well_formed():
    batching = text_format.Parse((CONFIG / "batching.config").read_text(), messages()["BatchingParameters"]())
    assert batching.allowed_batch_sizes[-1] == batching.max_batch_size.value
    assert not batching.pad_variable_length_inputs  # it pads with the first pixel, and answers the padding
    assert "batching" not in str(yaml.safe_load((SERVING / "docker-compose.yml").read_text()))  # off by default
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batchsize { value: 4 }", messages()["BatchingParameters"]())


def test_monitoring_is_well_formed():
    monitoring = text_format.Parse((CONFIG / "monitoring.config").read_text(), messages()["MonitoringConfig"]())
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_accepts_the_manifests(path):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    found = list(yaml.safe_load_all(path.read_text()))
    for manifest in found:
        kubernetes_validate.validate(manifest, "1.30", strict=True)
    deployment = next(each for each in found if each["kind"] == "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.30", strict=True)


def test_the_deployment_fits_together():
    by_kind = {each["kind"]: each for each in yaml.safe_load_all((SERVING / "kubernetes" / "n2n.yaml").read_text())}
    pod = by_kind["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert by_kind["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    for port in by_kind["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/v1/models/n2n", "port": "rest"}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert (
        volumes["models"]["persistentVolumeClaim"]["claimName"] == by_kind["PersistentVolumeClaim"]["metadata"]["name"]
    )
    assert volumes["config"]["configMap"]["name"] == by_kind["ConfigMap"]["metadata"]["name"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "n2n"
    compose = yaml.safe_load((SERVING / "docker-compose.yml").read_text())["services"]["tensorflow-serving"]
    assert container["image"] == compose["image"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed (Debian's package)")
def test_docker_compose_accepts_its_file():
    command = ["docker-compose", "-f", str(SERVING / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
