"""Neighbor2Neighbor: a denoiser from single noisy images (paper, section 4.2 and Algorithm 1)."""

import inspect
from typing import Any

import keras
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.methods.batches import NAMES, check_form, checked, value_errors
from n2n_tf.methods.gamma import GammaRamp
from n2n_tf.sampling import draw_choice, shape_of, sub_sample

NO_EFFECT = ("loss", "loss_weights", "metrics", "weighted_metrics")  # of `compile`
MOST_PSNR = 100.0  # dB; a perfect result would be infinite, and so would the mean


@keras.saving.register_keras_serializable("n2n_tf")
class Neighbor2Neighbor(keras.Model):
    """Trains a network on noisy images alone.

    One noisy image y gives a noisy pair g1(y), g2(y); the network f learns to predict one from the other:

        loss = mean((f(g1 y) - g2 y)²) + γ · mean((f(g1 y) - g2 y - (g1 f(y) - g2 f(y)))²)

    The second term corrects for the pair's scenes being shifted by a pixel; f(y) gets no gradient.
    Holds when the noise has zero mean and is independent between pixels, given the clean image.

    Train with `compile(optimizer=...)` and `fit(dataset)`. The dataset gives noisy batches, float32
    [B, H, W, C] in [0, 1], or (noisy, clean) batches: then `psnr` (dB, of f(y), batches of one size) is
    logged too; clean images never reach the loss. H and W must be twice what the network accepts
    (64 for the U-Net).

    Args:
        network: any Keras model, image in, image out, of equal shape. Save this one; it is the denoiser.
        gamma: γ ≥ 0, a number or a schedule `iterations -> γ` such as `GammaRamp`.
        seed: of the sub-sampler; stateless: the draw depends on (seed, optimizer.iterations) only.

    Source: paper equation 7; the stop-gradient and the growing γ are in the text below it.
    """

    def __init__(self, network: keras.Model, gamma: float | GammaRamp = 2.0, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        if not callable(gamma) and gamma < 0:
            raise ValueError(f"gamma weighs a squared error, so it must be at least 0; got {gamma}")
        self.network = network
        self.gamma = gamma
        self.seed = seed
        self.built = network.built  # nothing but the network has weights
        names = ("loss", "reconstruction", "regularizer", "gamma", "psnr")
        self._means = {name: keras.metrics.Mean(name=name) for name in names}

    def call(self, noisy: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(noisy, training=training)

    def compile(self, optimizer: Any = "rmsprop", **settings: Any) -> None:
        """As Keras's, but the method has a loss and metrics of its own.

        Raises:
            ValueError: others are given, which would have no effect.
        """
        if others := [name for name in NO_EFFECT if settings.get(name)]:
            raise ValueError(f"compile({', '.join(others)}): has no effect, the method has its own; leave it out")
        super().compile(optimizer=optimizer, **settings)

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
        given["x"], given["y"] = checked((x, y), NAMES, self.network)
        given["validation_data"] = checked(given.get("validation_data"), NAMES, self.network)
        with value_errors():
            return super().fit(**given)

    def loss_terms(self, noisy: tf.Tensor, choice: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The two terms of equation 7, and f(y).

        Args:
            noisy: y, float32 [B, H, W, C].
            choice: the sub-sampler G, int32 [B, H//2, W//2], from `draw_choice`.

        Returns:
            reconstruction and regularizer, float32 scalars; denoised f(y), float32 [B, H, W, C].
        """
        denoised = tf.stop_gradient(tf.cast(self.network(noisy, training=False), tf.float32))
        with tf.control_dependencies([denoised]):  # one pass after the other: their memory does not add up
            noisy1, noisy2 = sub_sample(noisy, choice)
        denoised1, denoised2 = sub_sample(denoised, choice)
        difference = tf.cast(self.network(noisy1, training=True), tf.float32) - noisy2
        reconstruction = tf.reduce_mean(tf.square(difference))
        regularizer = tf.reduce_mean(tf.square(difference - (denoised1 - denoised2)))
        return reconstruction, regularizer, denoised

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            values = self._values(data)
            replicas = tf.distribute.get_replica_context().num_replicas_in_sync
            loss = compat.scale(self.optimizer, values["loss"] / replicas)  # gradients are summed over replicas
        variables = self.network.trainable_variables
        compat.apply_gradients(self.optimizer, tape.gradient(loss, variables), variables)
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
        """Everything that is logged of a batch; `loss` is what is minimized."""
        noisy, clean, weight = keras.utils.unpack_x_y_sample_weight(data)
        if weight is not None:
            raise ValueError("sample_weight and class_weight have no effect: leave them out")
        for images, name in ((noisy, "noisy"), (clean, "clean")):
            if images is not None:
                check_form(images, name, self.network)
        if clean is not None and not clean.shape.is_compatible_with(noisy.shape):
            raise ValueError(f"clean images have shape {clean.shape}, noisy ones {noisy.shape}; wanted equal ones")
        gamma = tf.cast(self.gamma(self.optimizer.iterations) if callable(self.gamma) else self.gamma, tf.float32)
        reconstruction, regularizer, denoised = self.loss_terms(noisy, self._draw(noisy))
        loss = reconstruction + gamma * regularizer
        values = {"loss": loss, "reconstruction": reconstruction, "regularizer": regularizer, "gamma": gamma}
        if clean is not None:
            psnr = tf.image.psnr(*(tf.clip_by_value(image, 0, 1) for image in (denoised, clean)), 1.0)
            values["psnr"] = tf.minimum(psnr, MOST_PSNR)
        return values

    def _draw(self, noisy: tf.Tensor) -> tf.Tensor:
        """This replica's rows of the draw for the global batch: replicas together do what one device does."""
        replica = tf.distribute.get_replica_context()
        rows, height, width, _ = shape_of(noisy)
        seed = tf.stack([self.seed, tf.cast(self.optimizer.iterations, tf.int32)])
        choice = draw_choice([rows * replica.num_replicas_in_sync, height, width], seed)
        first = replica.replica_id_in_sync_group * rows
        return choice[first : first + rows]

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
        parts = {"network": self.network, "gamma": self.gamma, "seed": self.seed}
        return {**super().get_config(), **{k: keras.saving.serialize_keras_object(v) for k, v in parts.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Neighbor2Neighbor":
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("network", "gamma", "seed")}
        return cls(**{**config, **parts})
