"""The server's answers, against those of TensorFlow Serving.

Each case says where TensorFlow Serving's answer is written: its REST documentation (api_rest.md), or, where that is
silent, a function of its source, github.com/tensorflow/serving, below tensorflow_serving/. With the program itself on
PATH or in N2N_TF_SERVING_BIN, the same cases run against it.
"""

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import grpc
import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import n2n_tf
from n2n_tf.config import ServeConfig
from n2n_tf.serving.json_tensors import as_json
from n2n_tf.serving.server import Server

BINARY = os.environ.get("N2N_TF_SERVING_BIN") or shutil.which("tensorflow_model_server")
IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
PNG = bytes(imagecodecs.png_encode(IMAGE))
B64 = base64.b64encode(PNG).decode()
FLOATS = (IMAGE / 255).astype(np.float32)
PREDICT = "/v1/models/n2n:predict"


@pytest.fixture(scope="module", params=["n2n-tf serve", *(["tensorflow_model_server"] if BINARY else [])])
def api(request, served, tmp_path_factory):
    """(REST, gRPC) addresses of a server with n2n/1, labelled stable."""
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "n2n" base_path: "{served[1] / "n2n"}" model_platform: "tensorflow" '
        'version_labels { key: "stable" value: 1 } } }'
    )
    if request.param == "n2n-tf serve":
        server = Server([config], ServeConfig(rest_port=0, grpc_port=0))
        yield f"http://127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}"
        server.stop()
        return
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        rest, rpc = one.getsockname()[1], other.getsockname()[1]
    flags = [f"--rest_api_port={rest}", f"--port={rpc}", f"--model_config_file={config}"]
    process = subprocess.Popen([BINARY, *flags, "--allow_version_labels_for_unavailable_models=true"])
    try:
        until = time.monotonic() + 60
        while answer(f"http://127.0.0.1:{rest}/v1/models/n2n")[0] != 200 and time.monotonic() < until:
            time.sleep(0.2)
        yield f"http://127.0.0.1:{rest}", f"127.0.0.1:{rpc}"
    finally:
        process.terminate()
        process.wait()


def answer(url, body=None, method=None):
    """(status, JSON)."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, None


def decoded(value):
    return imagecodecs.png_decode(base64.b64decode(value["b64"]))


def test_predict_in_row_format(api, served):
    """api_rest.md, Predict API."""
    expected = n2n_tf.denoise(served[0], IMAGE)
    files = {"signature_name": "encoded", "instances": [{"b64": B64}]}
    status, found = answer(api[0] + PREDICT, files)
    assert (status, list(found)) == (200, ["predictions"])
    np.testing.assert_array_equal(decoded(found["predictions"][0]), expected)
    status, found = answer(api[0] + PREDICT, {**files, "instances": [{"image_bytes": {"b64": B64}}] * 2})
    assert [decoded(each).tolist() for each in found["predictions"]] == [expected.tolist()] * 2
    status, found = answer(
        api[0] + "/v1/models/n2n/versions/1:predict", {"signature_name": "uint8", "instances": [IMAGE.tolist()]}
    )
    np.testing.assert_array_equal(found["predictions"][0], expected)


def test_predict_in_column_format(api, served):
    """api_rest.md, Predict API."""
    for inputs in ({"image": [FLOATS.tolist()]}, [FLOATS.tolist()]):
        status, found = answer(api[0] + "/v1/models/n2n/labels/stable:predict", {"inputs": inputs})
        assert (status, list(found)) == (200, ["outputs"])
        result = np.array(found["outputs"], np.float32)[0]
        np.testing.assert_allclose(result, n2n_tf.denoise(served[0], FLOATS), rtol=0, atol=1e-5)
    lines = "\n".join([B64[:70], B64[70:]]).rstrip("=")  # as absl::Base64Unescape takes it
    status, found = answer(api[0] + PREDICT, {"signature_name": "encoded", "inputs": [{"b64": lines}]})
    np.testing.assert_array_equal(decoded(found["outputs"][0]), n2n_tf.denoise(served[0], IMAGE))


def test_floats_are_written_with_as_few_digits_as_they_need(api):
    """util/json_tensor.cc, WriteDecimal: 0.2, not 0.20000000298023224."""
    request = urllib.request.Request(api[0] + PREDICT, json.dumps({"instances": [FLOATS.tolist()]}).encode())
    text = urllib.request.urlopen(request).read().decode()
    numbers = text[text.index("[") :].translate(str.maketrans("[]{},", "     ")).split()
    assert max(len(number.lstrip("-0.").replace(".", "").partition("e")[0]) for number in numbers) <= 9
    assert all("." in number or "e" in number for number in numbers)


def test_json_that_python_reads_otherwise(api, served):
    """Seen in TensorFlow Serving: the first of equal keys, Inf, integers that wrap around, dots as padding, blanks."""
    expected = n2n_tf.denoise(served[0], IMAGE)
    numbers, others = json.dumps(IMAGE.tolist()), json.dumps((IMAGE.astype(int) + 256).tolist())
    for rows in (f'"instances": [{numbers}], "instances": [1]', f'"instances": [{others}]'):
        status, found = answer(api[0] + PREDICT, f'{{"signature_name": "uint8", {rows}}}'.encode())
        assert status == 200
        np.testing.assert_array_equal(found["predictions"][0], expected)
    least, zeros = ({"signature_name": "uint8", "instances": [[[[first, 0, 0]]]]} for first in (-(2**31), 0))
    assert answer(api[0] + PREDICT, least) == answer(api[0] + PREDICT, zeros)
    for number in ("Inf", "-Inf", "Infinity", "NaN", "1e39"):
        body = f'{{"instances": [[[[{number}, 0, 0]]]], "Inf": "a \\" Inf"}}'.encode()
        status, found = answer(api[0] + PREDICT, body)
        assert (status, np.isfinite(found["predictions"]).any()) == (200, False)
    status, found = answer(
        api[0] + PREDICT, {"signature_name": "encoded", "instances": [{"b64": B64.replace("=", ".") + "\n "}]}
    )
    np.testing.assert_array_equal(decoded(found["predictions"][0]), expected)


def test_methods_and_paths_of_no_api(api):
    """Seen in TensorFlow Serving."""
    for method, path, status in (
        ("TRACE", "/v1/models/n2n", 501), ("FOO", "/", 501), ("POST", "/", 404), ("GET", "/v1", 404),
        ("GET", "/v1/models/%zz", 400), ("GET", "/V1/MODELS/n2n/METADATA", 200),
        ("POST", "/monitoring/prometheus/metrics", 200), ("PUT", "/v1/models/n2n", 400),
    ):  # fmt: skip
        connection = http.client.HTTPConnection(api[0].removeprefix("http://"))
        connection.request(method, path)
        assert connection.getresponse().status == status, (method, path)
        connection.close()


NOT_FOUND = "Servable not found for request: "
ROW = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
SEEN = "recorded from the program itself"
ERRORS = [  # path, body, status, text, where TensorFlow Serving's answer is written
    ("/v1/models/half:predict", {"instances": [1.0]}, 404, NOT_FOUND + "Latest(half)", "api_rest.md, Example"),
    ("/v1/models/n2n/versions/7:predict", {"instances": [1.0]}, 404, NOT_FOUND + "Specific(n2n, 7)",
     "core/basic_manager.cc, GetUntypedServableHandle"),
    ("/v1/models/n2n/labels/x:predict", {"instances": [1.0]}, 400, "Unrecognized servable version label: x",
     "model_servers/server_core.cc, GetModelVersionForLabel"),
    (PREDICT, {"signature_name": "x", "instances": [1.0]}, 400,
     'Serving signature name: "x" not found in signature def', "model_servers/http_rest_api_handler.cc, GetInfoMap"),
    (PREDICT, {"signature_name": 100}, 400, "'signature_name' key must be a string value.",
     "util/json_tensor.cc, FormatSignatureError"),
    (PREDICT, {"inputs": {"x": 1}}, 400, "Missing named input: image in 'inputs' object.",
     "util/json_tensor.cc, FillTensorMapFromInputsMap"),
    (PREDICT, {}, 400, "Missing 'inputs' or 'instances' key", "util/json_tensor.cc, FillPredictRequestFromJson"),
    (PREDICT, {"inputs": [1], "instances": [1]}, 400, "Not formatted correctly expecting only one of 'inputs' or "
     "'instances' keys to exist", "util/json_tensor.cc, FillPredictRequestFromJson"),
    (PREDICT, {"instances": [["x"]]}, 400, ROW + 'JSON Value: "x" Type: String is not of expected type: float',
     "util/json_tensor.cc, TypeError"),
    (PREDICT, {"signature_name": "uint8", "instances": [[1.5]]}, 400,
     ROW + "JSON Value: 1.5 Type: Number is not of expected type: uint8", "util/json_tensor.cc, AddValueToTensor"),
    (PREDICT, {"instances": [[[1.0, 2.0], [3.0]]]}, 400,
     ROW + "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
     "util/json_tensor.cc, FillTensorProto"),
    (PREDICT, {"instances": [[1.0], [1.0, 2.0]]}, 400, "Failed to process element: 1 of 'instances' list. Error: ",
     "util/json_tensor.cc, AddInstanceItem"),
    (PREDICT, {"instances": [1.0, 2.0]}, 400, "", "the session's own words: a shape that is not the signature's"),
    (PREDICT, {"signature_name": "encoded", "instances": [{"b64": "*"}]}, 400, ROW + "Unable to base64 decode",
     "util/json_tensor.cc, JsonDecodeBase64Object"),
    (PREDICT, {"signature_name": "encoded", "instances": [{"b64": "R0lGODlh"}]}, 400, "neither a PNG nor a JPEG",
     "the session's own words"),
    (PREDICT, {"instances": []}, 400, "No values in 'instances' array",
     "util/json_tensor.cc, FillPredictRequestFromJson"),
    (PREDICT, {"instances": 1}, 400, "Expecting 'instances' to be an list/array",
     "util/json_tensor.cc, FillPredictRequestFromJson"),
    (PREDICT, b"", 400, "JSON Parse error: The document is empty", "util/json_tensor.cc, ParseJson"),
    (PREDICT, b"instances = [1, 2]", 400, "JSON Parse error: ", "util/json_tensor.cc, ParseJson"),
    (PREDICT, b"[1]", 400, "Is not object", "util/json_tensor.cc, ParseJson"),
    (PREDICT, b'{"instances": [[[[1e309, 0, 0]]]]}', 400,
     "JSON Parse error: Number too big to be stored in double.", SEEN),
    (PREDICT, json.dumps({"instances": [1.0]}).encode("utf-16"), 400, "JSON Parse error: ", SEEN),
    (PREDICT, b'{"signature_name": "x", "signature_name": "uint8"}', 400, 'Serving signature name: "x" not found',
     SEEN),
    (PREDICT, {"signature_name": "__saved_model_init_op", "instances": [1]}, 400,
     "Failed to get input map for signature: __saved_model_init_op",
     SEEN),
    (PREDICT, {"instances": [{"x": 1}]}, 400, "Failed to process element: 0 key: x of 'instances' list. Error: "
     "INVALID_ARGUMENT: JSON object: does not have named input: x", SEEN),
    (PREDICT, {"instances": [{"image": [[[1, 2, 3]]]}, {}]}, 400, "Failed to process element: 1 of 'instances' list. "
     "JSON object: {} keys must be equal to: image", SEEN),
    (PREDICT, {"instances": [[1.0], [1.0, 2.0]]}, 400, "Expecting tensor size: 1 but got: 2",
     SEEN),
    (PREDICT, {"instances": [[[1.0], [2.0]], [[1.0, 2.0]]]}, 400, "Expecting shape [2,1] but got: [1,2]",
     SEEN),
    (PREDICT, {"inputs": [[1], 2]}, 400,
     "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2", SEEN),
    (PREDICT, {"instances": [[[[1, 1, 1], 1]]]}, 400,
     ROW + "JSON Value: 1 found at incorrect level: 3 in the JSON DOM. Expected at level: 3", SEEN),
    (PREDICT, {"signature_name": "uint8", "instances": [[[[2**31, 0, 0]]]]}, 400,
     "JSON Value: 2147483648 Type: Number is not of expected type: uint8", SEEN),
    (PREDICT, {"signature_name": "encoded", "instances": [{"b64": "AA="}]}, 400, ROW + "Unable to base64 decode",
     SEEN),
    (PREDICT, [[1, 2], [{"x": 1}]], 400, 'JSON Value: [[1, 2], [{\n            "x": 1\n        }]] Is not object',
     SEEN),
    (PREDICT + "?x=1", {}, 400, f"Malformed request: POST {PREDICT}?x=1",
     SEEN),
    ("/v1/models/n2n?x=1", None, 404, "Could not find any versions of model n2n?x=1",
     SEEN),
    ("/v1/models/n2n:PREDICT", {}, 400, "Malformed request: POST /v1/models/n2n:PREDICT",
     SEEN),
    ("/v1/foo", {}, 400, "Malformed request: POST /v1/foo", "model_servers/http_rest_api_handler.cc, ProcessRequest"),
    ("/v1/foo", None, 400, "Malformed request: GET /v1/foo", "model_servers/http_rest_api_handler.cc, ProcessRequest"),
    ("/v1/models", None, 400, "Missing model name in request.",
     "model_servers/http_rest_api_handler.cc, ProcessModelStatusRequest"),
    ("/v1/models/half", None, 404, "Could not find any versions of model half",
     "model_servers/get_model_status_impl.cc, GetModelStatusWithModelSpec"),
    ("/v1/models/n2n/versions/7", None, 404, "Could not find version 7 of model n2n",
     "model_servers/get_model_status_impl.cc, GetModelStatusWithModelSpec"),
    ("/v1/models/half/metadata", None, 404, NOT_FOUND + "Latest(half)",
     "core/basic_manager.cc, GetUntypedServableHandle"),
]  # fmt: skip


@pytest.mark.parametrize("digits", ["9223372036854775808", "9" * 20, "9" * 5000])
@pytest.mark.parametrize("call", ["", ":predict", "/metadata"])
def test_versions_that_no_int64_holds(api, digits, call):
    """model_servers/http_rest_api_util.cc, ParseModelInfo: its error is not made JSON; the body is empty."""
    request = urllib.request.Request(f"{api[0]}/v1/models/n2n/versions/{digits}{call}", b"{}" if ":" in call else None)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    assert (caught.value.code, caught.value.read()) == (400, b"")


@pytest.mark.parametrize(("path", "body", "status", "text", "source"), ERRORS)
def test_rest_errors(api, path, body, status, text, source):
    found, value = answer(api[0] + path, body)
    assert (found, list(value)) == (status, ["error"]), source
    assert text in value["error"], source


def test_rest_status(api):
    """api_rest.md, Example; a label does not narrow it: get_model_status_impl.cc, GetModelStatusWithModelSpec."""
    version = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("", "/versions/1", "/labels/stable"):
        assert answer(f"{api[0]}/v1/models/n2n{path}") == (200, {"model_version_status": [version]})


def test_rest_metadata(api):
    """model_servers/http_rest_api_util.cc, ToJsonString."""
    for path in ("", "/versions/1", "/labels/stable"):
        status, found = answer(f"{api[0]}/v1/models/n2n{path}/metadata")
        assert status == 200
        assert found["model_spec"] == {"name": "n2n", "signature_name": "", "version": "1"}
        signatures = found["metadata"]["signature_def"]["signature_def"]
        assert set(signatures) == {"serving_default", "uint8", "encoded", "__saved_model_init_op"}
        image = signatures["serving_default"]["inputs"]["image"]
        assert (image["dtype"], [dim["size"] for dim in image["tensor_shape"]["dim"]]) == (
            "DT_FLOAT", ["-1", "-1", "-1", "3"],
        )  # fmt: skip
        assert signatures["encoded"]["method_name"] == "tensorflow/serving/predict"


def request_for(signature="uint8", model="n2n", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


@pytest.fixture
def stubs(api):
    with grpc.insecure_channel(api[1]) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def test_grpc_predict(stubs, served):
    """apis/predict.proto."""
    expected = n2n_tf.denoise(served[0], IMAGE)
    response = stubs[0].Predict(request_for(image=IMAGE[None]))
    assert (response.model_spec.name, response.model_spec.version.value) == ("n2n", 1)
    assert response.model_spec.signature_name == "uint8"
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["denoised"])[0], expected)
    request = request_for("encoded", image_bytes=np.array([PNG, PNG], object))
    request.model_spec.version_label = "stable"
    request.output_filter.append("denoised_bytes")
    response = stubs[0].Predict(request)
    assert response.model_spec.version.value == 1
    (value,) = response.outputs.values()
    assert [imagecodecs.png_decode(each).tolist() for each in tf.make_ndarray(value)] == [expected.tolist()] * 2
    response = stubs[0].Predict(request_for("", image=FLOATS[None]))
    assert response.model_spec.signature_name == "serving_default"
    np.testing.assert_allclose(
        tf.make_ndarray(response.outputs["denoised"])[0], n2n_tf.denoise(served[0], FLOATS), rtol=0, atol=1e-5
    )


def with_version(number):
    request = request_for(image=IMAGE[None])
    request.model_spec.version.value = number
    return request


def with_label(label):
    request = request_for(image=IMAGE[None])
    request.model_spec.version_label = label
    return request


def with_filter(*names):
    request = request_for(image=IMAGE[None])
    request.output_filter.extend(names)
    return request


RPC_ERRORS = [  # request, code, text, where TensorFlow Serving's answer is written
    (request_for(model="half", image=IMAGE[None]), "NOT_FOUND", NOT_FOUND + "Latest(half)",
     "core/basic_manager.cc, GetUntypedServableHandle"),
    (with_version(7), "NOT_FOUND", NOT_FOUND + "Specific(n2n, 7)", "core/basic_manager.cc, GetUntypedServableHandle"),
    (with_label("x"), "INVALID_ARGUMENT", "Unrecognized servable version label: x",
     "model_servers/server_core.cc, GetModelVersionForLabel"),
    (request_for("x", image=IMAGE[None]), "FAILED_PRECONDITION", 'Serving signature key "x" not found.',
     "servables/tensorflow/predict_util.cc, RunPredict"),
    (request_for(model=""), "INVALID_ARGUMENT", "ModelSpec has no name specified.",
     "model_servers/server_core.cc, ServableRequestFromModelSpec"),
    (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec",
     "servables/tensorflow/predict_impl.cc, Predict"),
    (request_for(), "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({image}). "
     "Sent extra: {}. Missing but required: {image}.", "servables/tensorflow/predict_util.cc, VerifyRequestInputsSize"),
    (request_for(image=IMAGE[None], x=1), "INVALID_ARGUMENT", "Sent extra: {x}. Missing but required: {}.",
     "servables/tensorflow/predict_util.cc, VerifyRequestInputsSize"),
    (with_label(""), "INVALID_ARGUMENT", "Unrecognized servable version label: ",
     SEEN),
    (request_for(x=1), "INVALID_ARGUMENT", "Signature input alias: image(feed name: uint8_image:0) not found in "
     "request and no default value provided. Inputs expected to be in the request {x}, or default input alias set: ",
     "tensorflow/cc/saved_model/util.cc, GetInputValues"),
    (request_for(image=FLOATS[None]), "INVALID_ARGUMENT", "Expects arg[0] to be uint8 but float is provided",
     "the session's own words"),
    (request_for(image=IMAGE), "INVALID_ARGUMENT", "is not compatible with expected shape [?,?,?,3]",
     "the session's own words"),
    (with_filter("x"), "INVALID_ARGUMENT", "output tensor alias not found in signature: x",
     "servables/tensorflow/predict_util.cc, PreProcessPrediction"),
    (with_filter("denoised", "denoised"), "INVALID_ARGUMENT", "duplicate output tensor alias: denoised",
     "servables/tensorflow/predict_util.cc, PreProcessPrediction"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "code", "text", "source"), RPC_ERRORS)
def test_grpc_errors(stubs, request_, code, text, source):
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].Predict(request_)
    assert (caught.value.code().name, text in caught.value.details()) == (code, True), (caught.value.details(), source)


def test_grpc_status_and_metadata(stubs):
    """apis/get_model_status.proto, servables/tensorflow/get_model_metadata_impl.cc."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "n2n"
    (status,) = stubs[1].GetModelStatus(request).model_version_status
    assert (status.version, status.state, status.status.error_code) == (1, 30, 0)
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "n2n"
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stubs[0].GetModelMetadata(request).metadata["signature_def"].Unpack(found)
    assert found.signature_def["uint8"].inputs["image"].dtype == tf.uint8.as_datatype_enum
    for fields, text in ((["x"], "is not supported"), ([], "must specify at least one metadata_field")):
        request.ClearField("metadata_field")
        request.metadata_field.extend(fields)
        with pytest.raises(grpc.RpcError, match=text):
            stubs[0].GetModelMetadata(request)


def test_bytes_of_any_shape_are_base64_in_that_shape():
    """api_rest.md, Encoding binary values: outputs whose name ends in _bytes."""
    value = np.array([[b"\xff"], [b"ab"]], object)
    expected = [[{"b64": "/w=="}], [{"b64": "YWI="}]]
    assert json.loads(as_json({"inputs": []}, {"x_bytes": value})) == {"outputs": expected}
    assert json.loads(as_json({"instances": []}, {"x_bytes": value})) == {"predictions": expected}
    assert json.loads(as_json({"inputs": []}, {"x": value[1:]})) == {"outputs": [["ab"]]}
