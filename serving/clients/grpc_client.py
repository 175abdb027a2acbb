"""Denoise a PNG or JPEG through TensorFlow Serving's gRPC API: pip install grpcio protobuf.

python grpc_client.py noisy.png denoised.png [--address localhost:8500]
"""

import argparse
import sys
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "/tensorflow.serving.PredictionService/Predict"
STRING = 7  # TensorFlow's number of the type
# What of TensorFlow Serving's messages is needed: the package that has them all brings TensorFlow. Over the wire go the
# numbers and types of fields, no names; a map goes as repeated pairs. A capital letter: one of these messages.
FIELDS = {
    "ModelSpec": ["string name = 1", "string signature_name = 3", "string version_label = 4"],
    "Dim": ["int64 size = 1"],
    "Shape": ["repeated Dim dim = 2"],
    "Tensor": ["int32 dtype = 1", "Shape tensor_shape = 2", "repeated bytes string_val = 8"],
    "Named": ["string key = 1", "Tensor value = 2"],
    "PredictRequest": ["ModelSpec model_spec = 1", "repeated Named inputs = 2"],
    "PredictResponse": ["repeated Named outputs = 1"],
}


def messages() -> dict[str, Any]:
    """The classes of `FIELDS`, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="grpc_client.proto", syntax="proto3")
    for message, lines in FIELDS.items():
        described = file.message_type.add(name=message)
        for line in lines:
            *repeated, kind, name, _, number = line.split()
            field = described.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if kind in FIELDS:
                field.type, field.type_name = field.TYPE_MESSAGE, kind
            else:
                field.type = field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in FIELDS}


def header(text: str) -> tuple[str, str]:
    """NAME: VALUE, in two."""
    name, value = text.split(": ", 1)
    return name, value


def main() -> int:
    """Send, receive, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("noisy")
    parser.add_argument("denoised")
    parser.add_argument("--address", default="localhost:8500")
    parser.add_argument("--model", default="n2n")
    parser.add_argument("--label", help="of a version, for instance stable; default: the highest version")
    parser.add_argument(
        "--header", action="append", type=header, default=[], metavar="NAME: VALUE", help="for instance an API key"
    )
    parser.add_argument("--tls", action="store_true")
    args = parser.parse_args()
    classes = messages()
    request = classes["PredictRequest"]()
    request.model_spec.name, request.model_spec.signature_name = args.model, "encoded"
    if args.label:
        request.model_spec.version_label = args.label
    metadata = [(name.lower(), value) for name, value in args.header]
    limit = [("grpc.max_receive_message_length", 2**28)]  # 4 MB otherwise
    if args.tls:
        channel = grpc.secure_channel(args.address, grpc.ssl_channel_credentials(), limit)
    else:
        channel = grpc.insecure_channel(args.address, limit)
    try:
        with open(args.noisy, "rb") as file:
            value = {"dtype": STRING, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [file.read()]}
        request.inputs.add(key="image_bytes", value=value)
        encode, decode = classes["PredictRequest"].SerializeToString, classes["PredictResponse"].FromString
        answer = channel.unary_unary(METHOD, encode, decode)(request, timeout=120, metadata=metadata)
        (output,) = answer.outputs
        (denoised,) = output.value.string_val
        with open(args.denoised, "wb") as file:
            file.write(denoised)
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"{args.address}: no answer of TensorFlow Serving: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
