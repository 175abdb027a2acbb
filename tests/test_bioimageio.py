"""`export --format bioimageio`: a package that bioimageio.core, whose code knows nothing of ours, can run."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.compat import KERAS_2
from n2n_tf.config import PackageSettings, RunError, UsageError
from n2n_tf.exporting import export_core, package
from n2n_tf.exporting.example import fitted, noisy_example
from n2n_tf.inference import in_range
from n2n_tf.networks import dncnn, rrg, unet
from n2n_tf.value_range import ValueRange
from tests.conftest import far, identity, make_photos, negative
from tests.runs import small

pytestmark = pytest.mark.skipif(KERAS_2, reason="the package holds weights of Keras 3")


@pytest.fixture(scope="session")
def bioimageio():
    """bioimageio.core and bioimageio.spec."""
    core = pytest.importorskip("bioimageio.core", reason="the extra `bioimageio` is not installed")
    return core, pytest.importorskip("bioimageio.spec")


@pytest.fixture(scope="module")
def run(two_layers, tmp_path_factory):
    """A run directory, and the folder of its images."""
    folder = tmp_path_factory.mktemp("run")
    photos = make_photos(folder / "photos")
    n2n_tf.train(small(photos, epochs=1, steps_per_epoch=2), folder / "run")
    return folder / "run", photos


def load(bioimageio, path):
    description = bioimageio[1].load_description(path, perform_io_checks=False)
    assert isinstance(description, bioimageio[1].ModelDescr), description.get_reason()
    return description


def space(tensor):
    return [axis for axis in tensor.axes if axis.type == "space"]


def test_a_run_becomes_a_package(bioimageio, run, tmp_path, capsys):
    output = tmp_path / "made" / "x.zip"
    told = ["--title", "Two layers", "--author", "Jane Doe", "John Roe", "--license", "CC-BY-4.0"]
    assert main(["export", str(run[0]), "--format", "bioimageio", "--output", str(output), *told]) == 0
    assert capsys.readouterr().out == f"exported: {output}\n"
    assert [path.name for path in output.parent.iterdir()] == ["x.zip"]

    found = load(bioimageio, output)
    assert (found.name, str(found.license)) == ("Two layers", "CC-BY-4.0")
    assert [author.name for author in found.authors] == ["Jane Doe", "John Roe"]
    assert "Neighbor2Neighbor" in found.cite[0].text
    for axis in space(found.inputs[0]):  # two layers of 3×3: 2 pixels each way
        assert (axis.size.min, axis.size.step, axis.concatenable) == (5, 1, True)
    assert [axis.halo for axis in space(found.outputs[0])] == [2, 2]
    assert found.inputs[0].axes[-1].channel_names == ["red", "green", "blue"]

    (noisy,), (denoised,) = found.get_input_test_arrays(), found.get_output_test_arrays()
    assert noisy.shape == (1, 128, 128, 3)  # the images have 70 to 90 pixels: mirrored
    np.testing.assert_allclose(denoised[0], n2n_tf.denoise(n2n_tf.load_denoiser(run[0]), noisy[0]), atol=1e-5)
    text = found.documentation.get_reader().read().decode()
    report = json.loads((run[0] / "report.json").read_text())
    for told in ("| method | neighbor2neighbor |", "| data | photos |", f"| psnr | {report['scores']['psnr']} |"):
        assert told in text
    assert str(run[1]) not in text
    picture = Image.open(found.covers[0].get_reader())
    assert picture.size == (256, 128)


@pytest.fixture(scope="module")
def far_package(bioimageio, tmp_path_factory):
    """Of a network whose far pixels matter, the folder."""
    folder = tmp_path_factory.mktemp("far")
    network = far(1)
    network.save(folder / "x.keras")
    return network, export_core(folder / "x.keras", folder / "package", "bioimageio")


def test_tiles_of_bioimageio_give_what_the_whole_image_gives(bioimageio, far_package):
    network, folder = far_package
    image = np.random.default_rng(1).random((1, 480, 576, 1), np.float32)
    found = bioimageio[0].predict(model=folder / "rdf.yaml", inputs=image, blocksize_parameter=4)
    denoised, expected = found.members["denoised"].data.to_numpy(), np.asarray(network(image))
    assert denoised.shape == expected.shape
    inner = np.s_[:, 160:-160, 160:-160]  # what is padded is mirrored there, and black here
    np.testing.assert_allclose(denoised[inner], expected[inner], rtol=0, atol=1e-5)


def test_bioimageio_refuses_a_package_that_was_changed(bioimageio, far_package, tmp_path):
    folder = shutil.copytree(far_package[1], tmp_path / "other")
    text = (folder / "rdf.yaml").read_text()
    (folder / "rdf.yaml").write_text("".join(x for x in text.splitlines(True) if "sha256" not in x))
    np.save(folder / "test_output.npy", np.load(folder / "test_output.npy") + 0.01)
    assert bioimageio[0].test_model(folder / "rdf.yaml").status != "passed"


def test_what_bioimageio_does_not_accept_is_not_there(bioimageio, models, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "save_denoiser", lambda network, path: negative(1).save(path))
    with pytest.raises(RunError, match=r"bioimageio\.core does not accept the package: .*elements disagree"):
        export_core(models("identity 1"), tmp_path / "x.zip", "bioimageio")
    assert [path.name for path in tmp_path.iterdir()] == ["identity1.keras"]


def test_a_mosaic_is_four_planes(bioimageio, tmp_path):
    identity(4).save(tmp_path / "x.keras")
    found = load(bioimageio, export_core(tmp_path / "x.keras", tmp_path / "raw", "bioimageio") / "rdf.yaml")
    assert found.inputs[0].axes[-1].channel_names == ["red", "green 1", "green 2", "blue"]
    assert "(raw - black) / (white - black)" in found.inputs[0].description
    assert not hasattr(space(found.outputs[0])[0], "halo")  # each pixel by itself
    noisy = found.get_input_test_arrays()[0]
    assert 0.05 < np.std(noisy[..., 1] - noisy[..., 2]) / np.sqrt(2) < 0.15  # one green, its noise drawn twice: 0.098


def test_the_range_is_inside_the_package(bioimageio, models, tmp_path):
    output = tmp_path / "x"
    command = ["export", models("negative 1"), "--format", "bioimageio", "--output", str(output)]
    assert main([*command, "--range", "0", "255"]) == 0
    found = load(bioimageio, output / "rdf.yaml")
    (noisy,), (denoised,) = found.get_input_test_arrays(), found.get_output_test_arrays()
    assert noisy.max() > 200
    np.testing.assert_allclose(denoised, 255 - noisy, rtol=0, atol=1e-3)
    assert "most from 0 to 255" in found.inputs[0].description


def test_a_denoiser_with_units_of_its_own_has_no_other():
    own = in_range(identity(1), ValueRange(96, 4095))
    assert package.in_units(own, ()) is own
    with pytest.raises(UsageError, match="`range`: the denoiser takes 96 to 4095 already"):
        package.in_units(own, (0.0, 255.0))
    with pytest.raises(UsageError, match="`range`: planes of a mosaic"):
        package.in_units(identity(4), (0.0, 255.0))


@pytest.mark.parametrize(
    ("make", "sides"),
    [
        (lambda: unet(1, 4), (288, 32, 128)),
        (lambda: dncnn(1, 4), (35, 1, 17)),  # 17 convolutions
        (lambda: rrg(1, 16), (32, 32, 0)),  # it looks at the whole image
    ],
    ids=["unet", "dncnn", "rrg"],
)
def test_the_sides_are_those_that_the_network_takes(make, sides):
    found = package.sides_of(make())
    assert (found.least, found.step, found.halo) == sides
    assert found.tested >= 128
    assert (found.tested - found.least) % found.step == 0


def test_a_sample_stands_for_images_that_are_gone(run, tmp_path, caplog):
    network = n2n_tf.load_denoiser(run[0])
    image, told = noisy_example(run[0], network)
    assert (image.shape[-1], told) == (3, "the first image that its run was scored on")
    copy = shutil.copytree(run[0], tmp_path / "copy")
    lists = (copy / "images.json").read_text().replace(str(run[1]), str(tmp_path / "nowhere"))
    (copy / "images.json").write_text(lists)
    other, told = noisy_example(copy, network)
    assert "scikit-image" in told
    assert "a sample photograph stands for the run's images" in caplog.text
    assert other.shape != image.shape


def test_small_images_are_mirrored_and_large_ones_cut():
    rows = np.arange(5.0)[:, None, None] + np.zeros((5, 9, 1))
    assert fitted(rows, 8)[:, 0, 0].tolist() == [0, 0, 1, 2, 3, 4, 4, 3]
    assert fitted(rows, 3)[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--author", "Jane Doe"], "--author has no effect without --format bioimageio"),
        (["--format", "onnx", "--title", "A title"], "--title has no effect without --format bioimageio"),
        (["--format", "bioimageio", "--title", "x,y: z"], "--title x,y: z: wanted 5 to 128 letters"),
        (["--format", "bioimageio", "--author", "a/b"], "--author 'a/b': wanted a name, without slashes"),
        (["--format", "bioimageio", "--range", "255", "0"], "--range 255 0: wanted two numbers in ascending order"),
        (["--format", "bioimageio", "--range", "255"], "--range 255: wanted two numbers in ascending order"),
    ],
)
def test_wrong_flags(arguments, message, models, tmp_path, capsys):
    assert main(["export", models("identity 1"), "--output", str(tmp_path / "x"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_wrong_places_and_licences(bioimageio, models, tmp_path, capsys):
    command = ["export", models("identity 1"), "--format", "bioimageio", "--output"]
    for output, more, message in (
        ("x.tif", [], "ends in .zip, or a folder's, without a suffix"),
        ("", [], "exists; name another"),
        ("x", ["--license", "CC-BY-4"], "--license CC-BY-4: wanted an identifier of SPDX's list"),
    ):
        assert main([*command, str(tmp_path / output), *more]) == 2
        assert message in capsys.readouterr().err


def test_without_the_extra_its_name_is_said(models, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["export", models("identity 1"), "--format", "bioimageio", "--output", str(tmp_path / "x")]) == 1
    assert "--format bioimageio needs bioimageio.core: pip install n2n-tf[bioimageio]" in capsys.readouterr().err


def test_settings_are_told_before_tensorflow_is_loaded():
    with pytest.raises(UsageError, match="`title` x"):
        PackageSettings(title="x")
