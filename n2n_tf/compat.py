"""What differs between Keras 3 and Keras 2.15, and TensorFlow Addons, which runs on the latter alone.

No other file of the package asks which version it runs on.
"""

import inspect
import logging
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf
from google.protobuf import json_format
from google.protobuf.message import Message

from n2n_tf.config import UsageError

logger = logging.getLogger(__name__)

try:
    from keras import KerasTensor, ops
except ImportError:  # Keras 2
    KerasTensor = tf.Tensor
    ops = SimpleNamespace(
        flip=tf.reverse, max=tf.reduce_max, maximum=tf.maximum, mean=tf.reduce_mean,
        take=lambda x, indices, axis: tf.gather(x, indices, axis=axis),
    )  # fmt: skip

KERAS_2 = keras.__version__.startswith("2.")
OPERATORS = {  # of TensorFlow, by Keras 3's names
    "__operators__.add": "Add", "compat.v1.gather": "Take", "math.add": "Add", "math.divide": "TrueDivide",
    "math.maximum": "Maximum", "math.multiply": "Multiply", "math.subtract": "Subtract", "math.truediv": "TrueDivide",
    "reverse": "Flip",
}  # fmt: skip
AUTO_JIT = None if KERAS_2 else "auto"  # of `compile`; Keras 2 leaves XLA off
REPAIRED = not KERAS_2  # .keras files that run code: setup.cfg's bounds see to it in Keras 3; Keras 2 gets no repairs
STORABLE = ("float16",) if KERAS_2 else ("float16", "bfloat16")  # half precision in .keras files


def _settle() -> None:
    """See that Keras computes as this package wants it, whatever ~/.keras/keras.json or the environment say.

    Raises:
        UsageError: Keras runs on another backend already, which cannot be changed.
    """
    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()}; wanted tensorflow: import n2n_tf before keras, and leave "
            "KERAS_BACKEND unset or set it to tensorflow"
        )
    for name, wanted in (("image_data_format", "channels_last"), ("floatx", "float32")):
        if (found := getattr(keras.backend, name)()) != wanted:
            logger.warning("Keras is configured for %s %s: set to %s in this process", name, found, wanted)
            getattr(keras.backend, f"set_{name}")(wanted)


_settle()


def reads_files_of(version: str) -> bool:
    """Whether this Keras reads .keras files and checkpoints of another version: 2 and 3 read neither's."""
    return version.startswith("2.") == KERAS_2


def output_shape(network: keras.Model, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of a network's result for an input of this shape; Keras 2 cannot tell it where there are operators."""
    if KERAS_2:
        return (shape[0], *network(keras.Input(shape[1:])).shape[1:])  # it would divide a batch among replicas
    return tuple(network.compute_output_shape(shape))


def through(network: keras.Model, image: KerasTensor) -> KerasTensor:
    """A functional network's layers, made anew, on another tensor: no network in a network, whose layers are hidden."""
    made: dict[int, Any] = {}

    def own(layer: Any) -> Any:
        if id(layer) not in made:  # one that is used several times stays one
            made[id(layer)] = layer.__class__.from_config(layer.get_config())
        return made[id(layer)]

    if isinstance(network, keras.Sequential):
        network = keras.Model(network.inputs, network.outputs)
    if not KERAS_2:
        result = network._run_through_graph(image, operation_fn=own)
        return result[0] if isinstance(result, list | tuple) else result
    left = {str(id(network.inputs[0])): [image] * network._tensor_usage_count[str(id(network.inputs[0]))]}
    for _, nodes in sorted(network._nodes_by_depth.items(), reverse=True):
        for node in (node for node in nodes if not node.is_input):
            positional, named = node.map_arguments(left)
            key = str(node.flat_output_ids[0])
            left[key] = [own(node.layer)(*positional, **named)] * network._tensor_usage_count[key]
    return left[str(id(network.outputs[0]))].pop()


def steps(network: keras.Model) -> list[tuple[Any, list[Any], Any]]:
    """What a functional network does, in order: (layer or operator, its inputs, its result); shared ones several times.

    Raises:
        AttributeError: no functional network.
        ValueError: a layer that gives several results.
    """
    nodes = [node for _, row in sorted(network._nodes_by_depth.items(), reverse=True) for node in row]
    found = []
    for node in (node for node in nodes if not node.is_input):
        layer, inputs = (_done_by(node), node.keras_inputs) if KERAS_2 else (node.operation, node.input_tensors)
        (result,) = tf.nest.flatten(node.outputs)
        found.append((layer, list(inputs), result))
    return found


def _done_by(node: Any) -> Any:
    """What a node of Keras 2 does: its layer, or, of operators that it wraps in layers, what Keras 3 calls them."""
    if type(node.layer).__name__ != "TFOpLambda":
        return node.layer
    given = inspect.signature(node.layer.function).bind(*node.call_args, **node.call_kwargs).arguments
    kind = OPERATORS.get(node.layer.symbol, node.layer.symbol)
    return type(kind, (SimpleNamespace,), {})(name=node.layer.name, axis=given.get("axis", -1))


def value_of(variable: Any) -> tf.Variable:
    """TensorFlow's variable in Keras's."""
    return variable if KERAS_2 else variable.value


def build(optimizer: Any, variables: Sequence[tf.Variable]) -> None:
    """Make all variables of an optimizer; Addons' are of Keras 2's older kind."""
    (optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights)(variables)


def scale(optimizer: Any, loss: tf.Tensor) -> tf.Tensor:
    """The loss times the optimizer's loss scale, which float16 needs; `apply_gradients` divides by it."""
    if KERAS_2:
        return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss
    return optimizer.scale_loss(loss)


def apply_gradients(optimizer: Any, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]) -> None:
    """One step of the optimizer, from gradients of a loss that `scale` gave."""
    if hasattr(optimizer, "get_unscaled_gradients"):  # Keras 2; Keras 3 does so itself
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def prepare(model: keras.Model) -> None:
    """Make the step counter of a compiled model: Addons' optimizers make it when asked, which a replica may not."""
    model.optimizer.iterations  # noqa: B018


def logs(means: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What `train_step` returns: Keras 3 reduces the first axis of logs where there are several workers."""
    strategy = tf.distribute.get_strategy()
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if KERAS_2 or not (several and strategy.extended._in_multi_worker_mode()):
        return means
    return {name: mean[None] for name, mean in means.items()}


def to_json(message: Message) -> str:
    """A message with all its fields, by their names in the .proto file."""
    every = "always_print_fields_with_no_presence"  # since protobuf 5.26
    if every not in inspect.signature(json_format.MessageToJson).parameters:
        every = "including_default_value_fields"
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=1, **{every: True})


def addons_optimizers() -> dict[str, Callable[..., Any]]:
    """TensorFlow Addons' optimizers by name, and `ranger`; none where it is not installed.

    Left out are those that average weights, which `ema` does, and those that want more than a learning rate.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has come to its end
            from tensorflow_addons import optimizers
    except ImportError:
        return {}
    names = ("AdaBelief", "COCOB", "LAMB", "LazyAdam", "NovoGrad", "ProximalAdagrad", "RectifiedAdam", "Yogi")

    def lookahead(over: Callable[..., Any]) -> Callable[..., Any]:
        def make(learning_rate: Any, beta_2: float = 0.999, epsilon: float = 1e-7) -> Any:
            return optimizers.Lookahead(over(learning_rate, beta_2=beta_2, epsilon=epsilon))

        return make

    return {
        **{name.lower(): getattr(optimizers, name) for name in names},
        "lookahead": lookahead(keras.optimizers.legacy.Adam),
        "ranger": lookahead(optimizers.RectifiedAdam),
    }
