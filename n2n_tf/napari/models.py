"""The denoisers that the panels offer: those of the package, runs of this session, what the user names."""

from collections.abc import Callable

from n2n_tf.training.presets import STARTS

PACKAGED = ""  # the one of the package that fits the layer
_named: list[str] = []  # by the user, or trained; the last one first
_listeners: list[Callable[[str], None]] = []


def offered() -> list[tuple[str, str]]:
    """Words, and the model."""
    fitting = (f"comes with n2n_tf: {' or '.join(sorted(STARTS.values()))}", PACKAGED)
    return [fitting, *((name, name) for name in [*_named, *sorted(STARTS.values())])]


def name(model: str) -> None:
    """Offer one more, a run directory or a .keras file, in all panels."""
    if model in _named:
        _named.remove(model)
    _named.insert(0, model)
    for each in list(_listeners):
        each(model)


def listen(listener: Callable[[str], None]) -> None:
    """Call with each that is named from now on."""
    _listeners.append(listener)


def leave(listener: Callable[[str], None]) -> None:
    """Do so no more."""
    if listener in _listeners:
        _listeners.remove(listener)


def fitting(model: str, channels: int) -> str:
    """The model; of the package's, the one for so many channels, by planes where there is none."""
    return model or STARTS.get(channels, STARTS[1])
