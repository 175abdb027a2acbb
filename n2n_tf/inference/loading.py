"""Trained denoisers from files."""

import json
import logging
import os
import shlex
import zipfile
from pathlib import Path

import keras

from n2n_tf.compat import REPAIRED, reads_files_of
from n2n_tf.config import UsageError, gist
from n2n_tf.inference.declared import check_declared
from n2n_tf.inference.kinds import channels_of
from n2n_tf.inference.saving import MOST_BYTES, weights_beside

logger = logging.getLogger(__name__)
_warned: set[str] = set()  # the file that was warned of; one warning is enough


def load_denoiser(path: str | Path) -> keras.Model:
    """Load a denoiser: a run directory or a .keras file.

    The file is data: nothing in it is executed (`safe_mode`), its sizes are checked before it is unpacked and built.

    Raises:
        UsageError: nothing there, no .keras file, not a denoiser, or of Keras 2 under Keras 3 and the other way round.
    """
    file = os.path.join(path, "denoiser.keras") if os.path.isdir(path) else str(path)
    if not os.path.exists(file):
        raise UsageError(f"{path}: no such model; wanted a run directory (with denoiser.keras) or a .keras file")
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MOST_BYTES:
                raise UsageError(f"{file}: unpacks to {size / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} are read")
            written_by = str(json.loads(archive.read("metadata.json"))["keras_version"])
            if reads_files_of(written_by):
                check_declared(archive, file)
        if not reads_files_of(written_by):
            weights = weights_beside(file)
            first = "" if weights.exists() else f"where it was made, network.save_weights({weights.name!r}); here, "
            raise UsageError(
                f"{file}: written by Keras {written_by}, and Keras {keras.__version__} does not read it. Both read "
                f"its weights: {first}n2n-tf convert {shlex.quote(str(weights))} --output HERE.keras"
            )
        if not REPAIRED and not os.path.isfile(os.path.join(os.path.dirname(file), "config.json")):  # of no run of ours
            _warn_of_strangers(file)
        network = keras.models.load_model(file, compile=False, safe_mode=True)
        channels_of(network)
        return network
    except zipfile.BadZipFile as error:
        raise UsageError(f"{file}: not a .keras file; `n2n-tf convert` reads .weights.h5 and .pth files") from error
    except UsageError:
        raise
    except Exception as error:  # what a foreign or damaged file makes Keras raise is open-ended
        raise UsageError(f"{file}: cannot be used as a denoiser: {gist(error)}") from error


def _warn_of_strangers(file: str) -> None:
    """Say once what a .keras file of somebody else could do here."""
    if not _warned:
        _warned.add(file)
        logger.warning(
            "%s: Keras %s gets no security repairs, and a .keras file could run code in it. Load those of people you "
            "trust; from others take the .weights.h5, which `n2n-tf convert` makes a .keras file of",
            file,
            keras.__version__,
        )
