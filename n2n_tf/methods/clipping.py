"""One bad batch does not undo what was learned: gradients longer than usual are shortened."""

from collections.abc import Sequence

import tensorflow as tf

MEMORY = 100  # steps that tell what is usual
OUTLIER = 10.0  # a gradient counts as at most so many times the usual one, lest a burst of them becomes usual at once


class Clipping:
    """Shortens gradients, all by one factor, to `most` times their usual length.

    Usual is the root mean square of their length over the steps before, the last ones counting most, so there is no
    scale to choose: losses in other units have gradients of another length.

    Args:
        most: above 0.

    Attributes:
        state: what a run that goes on needs: the mean square length, and the number of steps that it is of.

    Raises:
        ValueError: another `most`.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1, here with a
    limit that follows the gradients.
    """

    def __init__(self, most: float):
        if not most > 0:
            raise ValueError(f"clip_gradients {most}: wanted how many times the usual length, or 0 for no clipping")
        self.most = most
        self.state = tf.Variable(
            [0.0, 0.0], trainable=False, name="clipping", synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )  # fmt: skip

    def __call__(self, gradients: Sequence[tf.Tensor | None], scale: tf.Tensor | float = 1.0) -> list[tf.Tensor | None]:
        """Where they are not finite, they are so on all replicas, for the loss scale to notice, and do not count.

        Args:
            gradients: of this replica; None of weights that the loss does not depend on. Their length is that of their
                sum over the replicas, so that these do together what one device does.
            scale: that of the loss, by which they are too long.
        """
        replica = tf.distribute.get_replica_context()
        whole = [gradient for gradient in gradients if gradient is not None]
        if replica.num_replicas_in_sync > 1:
            whole = replica.all_reduce("sum", whole)
        length = tf.linalg.global_norm(whole) / scale
        square, steps = tf.unstack(self.state)
        known, usual = square > 0, tf.sqrt(square)
        counted = tf.where(known, tf.minimum(length, OUTLIER * usual), length)
        steps = tf.minimum(steps + 1, MEMORY)
        now = tf.stack([square + (tf.square(counted) - square) / steps, steps])
        finite = tf.math.is_finite(length)
        self.state.assign(tf.where(finite, now, self.state))
        limit = self.most * usual
        factor = tf.where(known & (length > limit), limit / length, 1.0)
        factor = tf.where(finite, factor, float("nan"))
        return [gradient if gradient is None else gradient * factor for gradient in gradients]
