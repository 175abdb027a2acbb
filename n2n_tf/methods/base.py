"""What a training method is: a Keras model around the network that it trains."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.methods.batches import check_form, checked, value_errors
from n2n_tf.methods.clipping import Clipping
from n2n_tf.sampling import shape_of

NO_EFFECT = ("loss", "loss_weights", "metrics", "weighted_metrics")  # of `compile`
MOST_PSNR = 100.0  # dB; a perfect result would be infinite, and so would the mean
Draw = Callable[[Sequence[int | tf.Tensor], tf.Tensor], tf.Tensor]  # (shape of the whole batch, seed) -> random numbers


class Method(keras.Model):
    """Trains a network: `compile(optimizer=...)`, then `fit(dataset)`. A method of its own has `losses` and `score`.

    The training step, logs, replicas, loss scaling and the checks of what comes are here.

    Args:
        network: any Keras model, image in, image out, of equal shape, float32 [B, H, W, C].
        seed: of everything the method draws; stateless: a draw depends on (seed, optimizer.iterations) only.

    Attributes:
        logged: names of what `losses` gives.
        second: what the second part of a batch is called; "clean" images are for metrics, or targets.
        wants_second: whether the loss needs it.
        divides: the network sees images whose sides are divided by this.
    """

    logged: ClassVar[tuple[str, ...]] = ("loss",)
    second: ClassVar[str] = "clean"
    wants_second: ClassVar[bool] = False
    divides = 1

    def __init__(self, network: keras.Model, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.network = network
        self.seed = seed
        self.clipping: Clipping | None = None
        self.built = network.built  # nothing but the network has weights
        self._means = {name: keras.metrics.Mean(name=name) for name in (*self.logged, "psnr")}

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        """The loss of a batch.

        Args:
            noisy: float32 [B, H, W, C].
            second: of the same form; None if none came.

        Returns:
            Scalars by the names in `logged`, "loss" being what is minimized; and the denoised batch if the method
            computes it anyway, for the PSNR against clean images.
        """
        raise NotImplementedError

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """How well a denoiser does on an image without a clean one; lower is better.

        Args:
            denoise: float32 [H, W, C] -> the same; a `denoiser()` of this method.
            noisy: float32 [H, W, C].
            seed: int [2].
        """
        raise NotImplementedError

    def denoiser(self) -> keras.Model:
        """What is saved, exported and served: a functional model of stock layers, its test-time formula included."""
        return self.network

    def drawn_for_all(self, images: tf.Tensor, draw: Draw) -> tf.Tensor:
        """A draw for the global batch, of which these images are a replica's part."""
        batch, *sides = shape_of(images)
        seed = tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        return draw([batch * tf.distribute.get_replica_context().num_replicas_in_sync, *sides], seed)

    def drawn(self, images: tf.Tensor, draw: Draw) -> tf.Tensor:
        """This replica's rows of a draw for the global batch: replicas together do what one device does."""
        return self.own(self.drawn_for_all(images, draw))

    def own(self, whole: tf.Tensor) -> tf.Tensor:
        """This replica's rows."""
        replica = tf.distribute.get_replica_context()
        rows = shape_of(whole)[0] // replica.num_replicas_in_sync
        first = replica.replica_id_in_sync_group * rows
        return whole[first : first + rows]

    def call(self, noisy: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The network's result; that of the method is `denoiser()`'s."""
        return self.network(noisy, training=training)

    def compile(self, optimizer: Any = "rmsprop", *, clip_gradients: float = 0.0, **settings: Any) -> None:
        """As Keras's, but the method has a loss and metrics of its own.

        Args:
            optimizer: as Keras's.
            clip_gradients: gradients are shortened to so many times their usual length (`Clipping`); 0: never. A
                method that was saved and loaded learns anew what is usual.

        Raises:
            ValueError: others are given, which would have no effect; clipping below 0.
        """
        if others := [name for name in NO_EFFECT if settings.get(name)]:
            raise ValueError(f"compile({', '.join(others)}): has no effect, the method has its own; leave it out")
        super().compile(optimizer=optimizer, **settings)
        with self.distribute_strategy.scope():  # wherever it is compiled
            self.clipping = Clipping(clip_gradients) if clip_gradients else None

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        return config and {**config, "clip_gradients": self.clipping.most if self.clipping else 0.0}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Of a saved model; Keras leaves it to classes that have a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.network.built:
            compat.build(self.optimizer, self.network.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As Keras's; arrays, also `validation_data`, get the checks that files get, before any training.

        Batches of a `tf.data.Dataset` get them too: their form before any training, their values as they come.

        Raises:
            ValueError: values that are no intensities; batches of a form that the method or the network cannot take.
        """
        given = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        names = ("noisy", self.second)
        given["x"], given["y"] = checked((x, y), names, self)
        given["validation_data"] = checked(given.get("validation_data"), names, self)
        with value_errors():
            return super().fit(**given)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            values = self._values(data)
            replicas = tf.distribute.get_replica_context().num_replicas_in_sync
            loss = compat.scale(self.optimizer, values["loss"] / replicas)  # gradients are summed over replicas
        variables = self.network.trainable_variables
        gradients = tape.gradient(loss, variables)
        if self.clipping:
            gradients = self.clipping(gradients, compat.scale(self.optimizer, tf.constant(1.0)))
        compat.apply_gradients(self.optimizer, gradients, variables)
        return self._log(values)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._log(self._values(data))

    def make_train_function(self, force: bool = False) -> Any:
        compat.prepare(self)
        return super().make_train_function(force)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Keras averages a batch over the workers to build a model from it, and fails on pairs; most need none."""
        super()._maybe_symbolic_build(iterator=None if self.built else iterator, data_batch=data_batch)

    def _values(self, data: Any) -> dict[str, tf.Tensor]:
        """Everything that is logged of a batch."""
        noisy, second, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError("sample_weight and class_weight have no effect: leave them out")
        if second is None and self.wants_second:
            raise ValueError(f"batches of noisy images alone; {type(self).__name__} wants (noisy, {self.second})")
        for images, name in ((noisy, "noisy"), (second, self.second)):
            if images is not None:
                check_form(images, name, self)
        if second is not None and not tf.TensorShape(second.shape).is_compatible_with(noisy.shape):
            raise ValueError(
                f"{self.second} images have shape {second.shape}, noisy ones {noisy.shape}; wanted equal ones"
            )
        values, denoised = self.losses(noisy, second)
        if second is not None and denoised is not None and self.second == "clean":
            psnr = tf.image.psnr(*(tf.clip_by_value(image, 0, 1) for image in (denoised, second)), 1.0)
            values = {**values, "psnr": tf.minimum(psnr, MOST_PSNR)}
        return values

    def _log(self, values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name, value in values.items():
            self._means[name].update_state(value)
        return compat.logs({name: self._means[name].result() for name in values})

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._means.values())

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """The means of the epoch; psnr only if clean images came."""
        return {mean.name: mean.result() for mean in self.metrics if mean.count > 0}

    def get_config(self) -> dict[str, Any]:
        own = [name for name in inspect.signature(type(self).__init__).parameters if name not in ("self", "kwargs")]
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in own}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Method":
        own = inspect.signature(cls.__init__).parameters
        parts = {k: keras.saving.deserialize_keras_object(v) for k, v in config.items() if k in own}
        return cls(**{**config, **parts})


def squared(difference: tf.Tensor) -> tf.Tensor:
    """Mean square."""
    return tf.reduce_mean(tf.square(difference))
