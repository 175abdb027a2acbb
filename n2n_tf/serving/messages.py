"""TensorFlow Serving's messages, as far as a client speaks them: its own package would load TensorFlow.

Of a message only the numbers and types of its fields go over the wire. Here they are those of predict.proto and
model.proto in tensorflow_serving/apis, and of tensor.proto and tensor_shape.proto in tensorflow/core/framework; fields
that are not listed are passed over. An enum is written as int32 is, a map as repeated pairs of key and value.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "n2n_tf.serving"
FIELDS = {
    "Version": ["int64 value = 1"],
    "ModelSpec": [
        "string name = 1", "Version version = 2", "string signature_name = 3", "string version_label = 4",
    ],
    "Dim": ["int64 size = 1"],
    "TensorShape": ["repeated Dim dim = 2", "bool unknown_rank = 3"],
    "Tensor": [
        "int32 dtype = 1", "TensorShape tensor_shape = 2", "bytes tensor_content = 4", "repeated float float_val = 5",
        "repeated int32 int_val = 7", "repeated bytes string_val = 8",
    ],
    "Named": ["string key = 1", "Tensor value = 2"],
    "PredictRequest": ["ModelSpec model_spec = 1", "repeated Named inputs = 2"],
    "PredictResponse": ["repeated Named outputs = 1"],
}  # fmt: skip


def _classes() -> dict[str, Any]:
    """The message classes by name, in a pool of their own: in the common one TensorFlow registers its messages."""
    file = descriptor_pb2.FileDescriptorProto(name="n2n_tf/serving/messages.proto", package=PACKAGE, syntax="proto3")
    for message, lines in FIELDS.items():
        described = file.message_type.add(name=message)
        for line in lines:
            *repeated, kind, name, _, number = line.split()
            field = described.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if kind in FIELDS:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                field.type = field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in FIELDS}


_CLASSES = _classes()
Tensor, PredictRequest, PredictResponse = (_CLASSES[name] for name in ("Tensor", "PredictRequest", "PredictResponse"))
