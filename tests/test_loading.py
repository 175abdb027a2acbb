import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from n2n_tf.compat import KERAS_2
from n2n_tf.config import UsageError
from n2n_tf.inference import declared, load_denoiser, loading, save_denoiser
from n2n_tf.networks import unet


def test_a_run_directory_and_a_file_load(tmp_path):
    network = unet(1, 2, seed=0)
    network.save(tmp_path / "denoiser.keras")
    image = np.ones((1, 32, 32, 1), np.float32)
    for path in (tmp_path, tmp_path / "denoiser.keras"):
        np.testing.assert_array_equal(np.asarray(load_denoiser(path)(image)), np.asarray(network(image)))


def no_model(path):
    pass


def text(path):
    path.write_text("not a model")


def truncated(path):
    unet(1, 2).save(path)
    path.write_bytes(path.read_bytes()[:5000])


def classifier(path):
    image = keras.Input((32, 32, 3))
    keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(image))).save(path)


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def change(path, old, new, member="config.json"):
    """Replace bytes in a member of a .keras file."""
    replace(path, member, lambda content: content.replace(old, new))


def replace(path, member, function):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = function(members[member])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def lambda_layer(path):
    image = keras.Input((None, None, 3))
    keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image)).save(path)


@keras.saving.register_keras_serializable("test")
class Foreign(keras.layers.Layer):
    def call(self, x):
        return x


def foreign_layer(path):
    image = keras.Input((None, None, 3))
    keras.Model(image, Foreign()(image)).save(path)
    change(path, b"test>Foreign", b"test>Unknown")
    change(path, b"tests.test_loading", b"nowhere")
    change(path, b"test_loading", b"nowhere")


def saved_model_layer(path):
    """A file cannot hold the SavedModel itself; its layer names one that lies somewhere."""
    unet(1, 2).save(path)
    change(path, b'"Conv2D"', b'"TFSMLayer"')


def damaged_json(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional"}))
        archive.writestr("metadata.json", "{}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_model, "no such model; wanted a run directory"),
        (text, "not a .keras file"),
        (truncated, "not a .keras file"),
        (classifier, "wanted a network that takes and gives"),
        (other_zip, "cannot be used as a denoiser"),
        (lambda_layer, "cannot be used as a denoiser: it holds a Lambda layer, which runs code"),
        (saved_model_layer, "cannot be used as a denoiser: it holds a TFSMLayer layer, which runs code"),
        (foreign_layer, "cannot be used as a denoiser"),
        (damaged_json, "cannot be used as a denoiser"),
    ],
)
def test_what_is_no_denoiser_is_one_line(make, message, tmp_path):
    path = tmp_path / "model.keras"
    make(path)
    with pytest.raises(UsageError, match=message) as caught:
        load_denoiser(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "MOST_BYTES", 10_000_000)
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(20_000_000))
    assert path.stat().st_size < 30_000
    monkeypatch.setattr(keras.models, "load_model", None)  # would raise another error
    with pytest.raises(UsageError, match=r"unpacks to 0.0 GB; at most 0.0 are read"):
        load_denoiser(path)


@pytest.mark.parametrize("with_weights", [True, False])
def test_a_file_of_the_other_keras_names_the_way_round(with_weights, tmp_path):
    save_denoiser(unet(1, 2), tmp_path / "denoiser.keras")
    other = "3.15.1" if KERAS_2 else "2.15.0"
    replace(tmp_path / "denoiser.keras", "metadata.json", lambda _: json.dumps({"keras_version": other}).encode())
    if not with_weights:
        (tmp_path / "denoiser.weights.h5").unlink()
    way = f"n2n-tf convert {tmp_path}/denoiser.weights.h5 --output HERE.keras"
    first = "" if with_weights else r"where it was made, network.save_weights\('denoiser.weights.h5'\); here, "
    with pytest.raises(UsageError, match=f"written by Keras {other}, and .* does not read it.* weights: {first}{way}"):
        load_denoiser(tmp_path)


@pytest.mark.parametrize(
    "replaced",
    [
        (b'"filters": 5', b'"filters": 20000000'),
        (b'"filters": 5', b'"filters": -5'),
        pytest.param(
            (b'"groups": 1', b'"groups": 0'), marks=pytest.mark.skipif(KERAS_2, reason="Keras 2 takes 0 groups for 1")
        ),
    ],
)
def test_a_file_that_declares_more_than_it_holds_is_refused_before_it_is_built(replaced, tmp_path, monkeypatch):
    image = keras.Input((None, None, 1))
    hidden = keras.layers.Conv2D(5, 3, padding="same")(image)
    keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(hidden)).save(tmp_path / "model.keras")
    held = 1 * 9 * 5 + 5 + 5 * 9 * 1 + 1
    load_denoiser(tmp_path / "model.keras")
    change(tmp_path / "model.keras", *replaced)
    if b"20000000" in replaced[1]:
        monkeypatch.setattr(keras.models, "load_model", None)  # would raise another error
        message = f"damaged: its layers have at least {20_000_000 * 9 + 45:,} weights, and it holds {held}"
    else:
        message = "cannot be used as a denoiser"
    with pytest.raises(UsageError, match=message):
        load_denoiser(tmp_path / "model.keras")


def test_weights_that_unpack_to_more_than_is_read_are_refused(tmp_path, monkeypatch):
    """HDF5 compresses too, so that the sizes in the zip do not tell."""
    path = tmp_path / "model.keras"
    unet(1, 2).save(path)

    def bomb(content):
        (tmp_path / "weights.h5").write_bytes(content)
        with h5py.File(tmp_path / "weights.h5", "a") as weights:
            weights.create_dataset("more", (5_000_000,), np.float32, compression="gzip", fillvalue=0)
        return (tmp_path / "weights.h5").read_bytes()

    replace(path, "model.weights.h5", bomb)
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(declared, "MOST_BYTES", 30_000_000)
    load_denoiser(path)
    monkeypatch.setattr(declared, "MOST_BYTES", 20_000_000)
    monkeypatch.setattr(keras.models, "load_model", None)  # would raise another error
    with pytest.raises(UsageError, match=r"its weights unpack to 0.0 GB; at most 0.0 are read"):
        load_denoiser(path)


@pytest.mark.parametrize(("repaired", "of_a_run", "warnings"), [(False, False, 1), (False, True, 0), (True, False, 0)])
def test_a_strangers_file_is_warned_of_once_where_keras_is_not_repaired(
    repaired, of_a_run, warnings, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(loading, "REPAIRED", repaired)
    monkeypatch.setattr(loading, "_warned", set())
    if of_a_run:
        (tmp_path / "config.json").write_text("{}")
    for name in ("one.keras", "two.keras"):
        save_denoiser(unet(1, 2), tmp_path / name)
        load_denoiser(tmp_path / name)
    assert caplog.text.count("could run code in it") == warnings
    assert caplog.text.count(f"{tmp_path / 'one.keras'}: Keras {keras.__version__} gets no") == warnings
