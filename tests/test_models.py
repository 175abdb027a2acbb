"""Which models and versions are served, as their folders and configurations change."""

import contextlib
import logging
import os
import shutil
import time

import pytest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from n2n_tf.config import UsageError
from n2n_tf.serving import versions
from n2n_tf.serving.models import Models
from n2n_tf.serving.versions import Versions, version_of


@pytest.fixture
def folder(served, tmp_path):
    """Holds n2n/1, without warm-up, which takes longer than all the rest."""
    shutil.copytree(served[1] / "n2n", tmp_path / "n2n", ignore=lambda *_: ["assets.extra"])
    return tmp_path


@pytest.fixture
def watched():
    """Serve from these places, look every 0.05 s."""
    with contextlib.ExitStack() as stack:

        def start(*places):
            models = Models(places)
            stack.callback(models.close)
            models.watch(0.05)
            return models

        yield start


def config(folder, *names):
    place = f'base_path: "{folder / "n2n"}" model_platform: "tensorflow"'
    return "model_config_list {" + "\n".join(f'config {{ name: "{name}" {place} }}' for name in names) + "}"


def state(models, name):
    return {number: each.state for number, each in models.versions(name).statuses().items()}


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_configuration_that_is_away_unloads_nothing_and_is_read_again_when_it_is_back(folder, watched, caplog):
    file, aside = folder / "models.config", folder / "aside"
    file.write_text(config(folder, "n2n"))
    models = watched(file)
    with caplog.at_level(logging.WARNING, "n2n_tf"):
        file.rename(aside)  # as some editors do, for longer than a look
        wait_for(lambda: "the old configuration stays" in caplog.text)
        time.sleep(0.3)
        assert (models.names, state(models, "n2n")) == (["n2n"], {1: "AVAILABLE"})
        with models.use(ModelSpec(name="n2n")) as (number, _):
            assert number == 1
        shutil.copytree(folder / "n2n" / "1", folder / "n2n" / "2.coming")  # what it said still holds
        (folder / "n2n" / "2.coming").rename(folder / "n2n" / "2")
        wait_for(lambda: state(models, "n2n").get(2) == "AVAILABLE")
    assert len([each for each in caplog.records if "models.config" in each.message]) == 1  # said once
    aside.write_text(config(folder, "n2n", "other"))
    aside.rename(file)
    wait_for(lambda: models.names == ["n2n", "other"])
    aside.write_text("model_config_list {")
    aside.rename(file)
    time.sleep(0.3)
    assert (models.names, models.ready()) == (["n2n", "other"], True)


def test_a_folder_in_a_files_place_is_no_model_directory(folder, watched, caplog):
    file = folder / "models.config"
    file.write_text(config(folder, "n2n"))
    models = watched(file)
    file.unlink()
    shutil.copytree(folder / "n2n", file)
    wait_for(lambda: "Is a directory" in caplog.text)
    assert models.names == ["n2n"]


NUMBERS = {"1": 1, "00000123": 123, "000": 0, "+1": 1, " 1": 1, "1 ": 1, "-0": 0, "0" * 80 + "7": 7}
NUMBERS[str(2**63 - 1)] = 2**63 - 1
NONE = [str(2**63), "9" * 200, "-1", "1_0", "+ 1", "", "+", "1.0", "1e3", "0x1", "٣", "²", "１", "\xa01", "1.coming"]


@pytest.mark.parametrize(("name", "number"), [*NUMBERS.items(), *((name, None) for name in NONE)])
def test_a_versions_name_is_an_int64_as_absl_parses_it(name, number):
    assert version_of(name) == number


def test_a_version_with_leading_zeros_is_loaded_from_its_own_directory(folder, watched):
    os.rename(folder / "n2n" / "1", folder / "n2n" / "00000123")
    models = watched(folder / "n2n")
    assert state(models, "n2n") == {123: "AVAILABLE"}
    shutil.copytree(folder / "n2n" / "00000123", folder / "coming")
    (folder / "coming" / "saved_model.pb").write_bytes(b"x")
    (folder / "coming").rename(folder / "n2n" / "0124")
    wait_for(lambda: state(models, "n2n").get(124) == "END")
    shutil.copy(folder / "n2n" / "00000123" / "saved_model.pb", folder / "n2n" / "0124")  # mended: tried again
    wait_for(lambda: state(models, "n2n") == {124: "AVAILABLE", 123: "END"})


def test_of_two_directories_for_one_number_the_last_by_name_is_loaded(folder, monkeypatch):
    """As TensorFlow Serving's IndexChildrenByVersion does it, over a sorted set of names."""
    loaded = []
    monkeypatch.setattr(versions, "CppModel", lambda path: loaded.append(path.name) or pytest.fail("not to be loaded"))
    for names in (["123", "00000123"], [" 7", "+7"]):
        shutil.rmtree(folder / "n2n")
        for name in names:
            (folder / "n2n" / name).mkdir(parents=True)
        with contextlib.suppress(pytest.fail.Exception):
            Versions("n2n", folder / "n2n", lambda numbers: numbers).poll()
    assert loaded == ["123", "+7"]


def test_names_of_no_version_do_not_make_a_directory_a_models(tmp_path):
    (tmp_path / "٣").mkdir()
    with pytest.raises(UsageError, match="holds no version of a model"):
        Models([tmp_path])
