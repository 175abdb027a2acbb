"""What any denoiser that needs no training set is told. Imports no TensorFlow."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import UsageError, checked

if TYPE_CHECKING:
    import numpy as np

Function = Callable[["np.ndarray"], "np.ndarray"]  # float32 [H, W, C], in units of the value range -> the same


@dataclass(frozen=True)
class BaselineSettings:
    """Of any of them.

    Attributes:
        name: how flags and files call it.
        about: what it is, in help.
        package: that it needs besides, an extra of the same name; empty if none.
        jointly: whether it takes any channels together; if not, RGB together and other channels one by one.
        unfit: names of synthetic noise that it is not made for.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    package: ClassVar[str] = ""
    jointly: ClassVar[bool] = False
    unfit: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        checked(self)

    @property
    def lacking(self) -> str:
        """Why it cannot be used here; empty if it can."""
        if not self.package or importlib.util.find_spec(self.package):
            return ""
        return f'{self.package} is not installed: pip install "n2n-tf[{self.package}]" (free for non-commercial use)'

    def build(self) -> Function:
        """The denoiser; the same image gives the same result.

        Raises:
            UsageError: its package is not installed.
        """
        if self.lacking:
            raise UsageError(f"{self.name}: {self.lacking}")
        return self._function()

    def _function(self) -> Function:
        raise NotImplementedError
