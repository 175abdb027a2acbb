"""Denoise a PNG or JPEG through TensorFlow Serving's gRPC API: pip install tensorflow-serving-api.

python grpc_client.py noisy.png denoised.png [--address localhost:8500]
"""

import argparse
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


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
    request = predict_pb2.PredictRequest()
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
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([file.read()]))
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=120, metadata=metadata)
        (denoised,) = response.outputs["denoised_bytes"].string_val
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
