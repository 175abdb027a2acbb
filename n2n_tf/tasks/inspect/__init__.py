"""`inspect`: what noise is in these images, whether the method's assumption holds there, and what to do next."""

from n2n_tf.tasks.inspect.report import Report
from n2n_tf.tasks.inspect.task import inspect

__all__ = ["Report", "inspect"]
