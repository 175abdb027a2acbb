import dataclasses
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2n_tf.cli.main import main
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.table import FORMATS

RNG = np.random.default_rng(0)


def save(path, *shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, shape, np.uint8)).save(path)
    return path


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def pixels(path):
    return read(pages(path)[0])


def test_a_folder_keeps_its_structure_and_everything_its_depth(models, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    save(folder / "a.png", 33, 40, 3)
    save(folder / "deep" / "er" / "b.bmp", 1, 1, 3)
    tifffile.imwrite(folder / "c.tif", RNG.integers(0, 65535, (3, 20, 30, 3)).astype(np.uint16), photometric="rgb")
    (folder / "notes.txt").write_text("no image")
    assert denoise(models("negative 3"), folder, "--output", out) == 0
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["a.png", "c.tif", "deep/er/b.bmp"]
    np.testing.assert_array_equal(pixels(out / "a.png"), 255 - pixels(folder / "a.png"))
    assert pixels(out / "deep/er/b.bmp").shape == (1, 1, 3)
    stack = tifffile.imread(out / "c.tif", key=range(3))
    np.testing.assert_array_equal(stack, 65535 - tifffile.imread(folder / "c.tif"))


def test_files_are_denoised_without_what_serves(models, tmp_path):
    save(tmp_path / "a.png", 8, 9, 3)
    arguments = ["denoise", models("identity 3"), str(tmp_path / "a.png"), "--output", str(tmp_path / "out")]
    program = f"import sys; from n2n_tf.cli.main import main; status = main({arguments}); "
    program += "sys.exit(status or bool({'tensorflow_serving', 'grpc', 'starlette'} & {*sys.modules}))"
    place = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "out" / "a.png").exists()) == (0, True), done.stderr


def test_globs_and_files_and_a_suffix(models, tmp_path):
    for name in ("x/one.png", "y/two.png", "y/no.jpg"):
        save(tmp_path / "in" / name, 8, 9, 3)
    out = tmp_path / "out"
    assert denoise(models("identity 3"), tmp_path / "in" / "*" / "*.png", "--output", out, "--suffix", "_d") == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == ["x/one_d.png", "y/two_d.png"]
    one = tmp_path / "in" / "x" / "one.png"
    for _ in range(2):  # the second time finds its own output and leaves it alone
        assert denoise(models("identity 3"), one.parent, "--suffix", "_d") == 0
        assert sorted(path.name for path in one.parent.iterdir()) == ["one.png", "one_d.png"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gray_through_a_colour_model_and_colour_through_a_gray_one(dtype, models, tmp_path):
    peak = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    gray, colour = ((RNG.random(shape) * peak).astype(dtype) for shape in ((20, 30), (20, 30, 3)))
    tifffile.imwrite(tmp_path / "gray.tif", gray)
    tifffile.imwrite(tmp_path / "colour.tif", colour, photometric="rgb")
    assert denoise(models("negative 3"), tmp_path / "gray.tif", "--output", tmp_path / "out") == 0
    assert denoise(models("negative 1"), tmp_path / "colour.tif", "--output", tmp_path / "out") == 0
    for image, name in ((gray, "gray.tif"), (colour, "colour.tif")):
        result = tifffile.imread(tmp_path / "out" / name)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, peak - image, rtol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_left_alone(channels, models, tmp_path):
    save(tmp_path / "a.png", 20, 30, channels)
    assert denoise(models("negative 3"), tmp_path / "a.png", "--output", tmp_path / "out") == 0
    old, new = pixels(tmp_path / "a.png"), pixels(tmp_path / "out" / "a.png")
    np.testing.assert_array_equal(new[..., -1], old[..., -1])
    np.testing.assert_array_equal(new[..., :-1], 255 - old[..., :-1])


def test_one_bit_becomes_eight(models, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RNG.random((20, 30)) > 0.5, photometric="minisblack")
    assert denoise(models("identity 1"), tmp_path / "a.tif", "--output", tmp_path / "out") == 0
    result = tifffile.imread(tmp_path / "out" / "a.tif")
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, tifffile.imread(tmp_path / "a.tif") * np.uint8(255))


def test_existing_outputs_are_kept_unless_told(models, tmp_path, capsys):
    source, target = save(tmp_path / "a.png", 8, 9, 3), tmp_path / "out" / "a.png"
    target.parent.mkdir()
    target.write_text("precious")
    model = models("identity 3")
    assert denoise(model, source, "--output", target.parent) == 0
    assert target.read_text() == "precious"
    assert (
        "1 outputs exist already and were kept; --overwrite replaces those that are no inputs"
        in capsys.readouterr().out
    )
    assert denoise(model, source, "--output", target.parent, "--overwrite") == 0
    np.testing.assert_array_equal(pixels(target), pixels(source))


def test_an_input_is_never_replaced(models, tmp_path, capsys):
    """An original that has the name of a result, and a folder under two names."""
    model, folder = models("negative 3"), tmp_path / "in"
    save(folder / "a.png", 8, 9, 3)
    original = save(folder / "sub" / "a.png", 8, 9, 3).read_bytes()
    assert denoise(model, folder, "--output", folder / "sub", "--overwrite") == 0
    assert (folder / "sub" / "a.png").read_bytes() == original
    assert "1 inputs have the names of results, were taken for such and left alone" in capsys.readouterr().out
    (tmp_path / "link").symlink_to(folder)
    assert denoise(model, folder / "a.png", "--output", tmp_path / "link", "--overwrite") == 2
    assert "would be replaced by its result" in capsys.readouterr().err


def test_a_folder_and_one_inside_it_keep_the_outer_structure(models, tmp_path):
    save(tmp_path / "in" / "sub" / "a.png", 8, 9, 3)
    for inputs in ([tmp_path / "in", tmp_path / "in" / "sub"], [tmp_path / "in" / "sub", tmp_path / "in"]):
        assert denoise(models("identity 3"), *inputs, "--output", tmp_path / "out", "--overwrite") == 0
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("out/**/*.png")] == ["out/sub/a.png"]


def test_what_an_interrupted_run_left_is_no_input(models, tmp_path):
    save(tmp_path / "in" / "a.png", 8, 9, 3)
    save(tmp_path / "in" / ".partial.b.png", 8, 9, 3)
    assert denoise(models("identity 3"), tmp_path / "in", "--output", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def big_png(side, body):
    """A PNG that claims to be side × side pixels of 1 bit."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_failing_files_are_listed_and_the_rest_goes_on(models, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    save(folder / "good.png", 8, 9, 3)
    save(folder / "truncated.png", 50, 60, 3)
    (folder / "truncated.png").write_bytes((folder / "truncated.png").read_bytes()[:2000])
    (folder / "text.png").write_text("hello")
    (folder / "empty.jpg").touch()
    (folder / "bomb.png").write_bytes(big_png(30000, zlib.compress(bytes(3751 * 30000), 9)))
    (folder / "forged.png").write_bytes(big_png(30000, b"few"))
    tifffile.imwrite(folder / "counts.tif", np.full((9, 9), 4000, np.float32))
    tifffile.imwrite(folder / "waves.tif", np.full((9, 8), 4000, np.complex64))
    tifffile.imwrite(folder / "reduced.tif", np.zeros((9, 9), np.uint8), subfiletype=1)
    tifffile.imwrite(folder / "stack.tif", np.zeros((4, 9, 9), np.uint8), truncate=True, photometric="minisblack")
    (folder / "stack.tif").write_bytes((folder / "stack.tif").read_bytes()[:-1])
    assert denoise(models("identity 3"), folder, "--output", out) == 1
    error = capsys.readouterr().err
    assert "9 of 10 files failed" in error
    for name, reason in {
        "truncated.png": "cannot be decoded",
        "text.png": "not a PNG, JPEG",
        "empty.jpg": "the file is empty",
        "bomb.png": "30000×30000 pixels; at most 134217728 are read",
        "forged.png": "30000×30000 pixels",
        "counts.tif": "float pixels up to 4000; wanted intensities in [0, 1]",
        "waves.tif": "64-bit pixels, complex64; wanted integers of 1 to 32 bits, or floats",
        "reduced.tif": "holds no image of full size",
        "stack.tif": "a stack of 4 planes cut short: the file holds 3",
    }.items():
        line = next(line for line in error.splitlines() if name in line)
        assert reason in line
    assert "Traceback" not in error
    assert [path.name for path in out.iterdir()] == ["good.png"]


def test_an_interrupted_write_leaves_nothing(models, tmp_path, monkeypatch):
    def half(source, target, images):
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setitem(FORMATS, "PNG", dataclasses.replace(FORMATS["PNG"], write=half))
    source = save(tmp_path / "a.png", 8, 9, 3)
    assert denoise(models("identity 3"), source, "--output", tmp_path / "out") == 130
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["identity 3", "a.png"], "no --output: name a folder, or give a --suffix"),
        (["identity 3", "a.png", "--output", "."], "would be replaced by its result; give a --suffix"),
        (["identity 3", "nowhere.png", "--output", "out"], "INPUT nowhere.png: no such folder or file"),
        (["identity 3", "empty", "--output", "out"], "no image in empty"),
        (["identity 3", "a.png", "--output", "out", "--memory", "nan"], "--memory nan: wanted above 0 and at most"),
        (["identity 3", "a.png", "b/a.png", "--output", "out"], "both results would be"),
        (["identity 3", "a.png", "--suffix", "x/y"], "--suffix x/y: is part of a file name"),
        (["identity 3", "a.png", "--output", "out", "--tile", "100"], "--tile 100: wanted a multiple of 32"),
        (["missing.keras", "a.png", "--output", "out"], "missing.keras: no such model"),
        (["broken.keras", "a.png", "--output", "out"], "broken.keras: not a .keras file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2_and_writes_nothing(arguments, message, models, tmp_path, monkeypatch, capsys):
    save(tmp_path / "a.png", 8, 9, 3)
    save(tmp_path / "b" / "a.png", 8, 9, 3)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.keras").write_text("no archive")
    model, *rest = arguments
    model = models(model) if " " in model else model
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert denoise(model, *rest) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_that_cannot_be_written_is_status_1(models, tmp_path, capsys):
    source = save(tmp_path / "a.png", 8, 9, 3)
    assert denoise(models("identity 3"), source, "--output", "/sys/out") == 1
    assert "'/sys/out'" in capsys.readouterr().err


def test_too_little_memory_is_said_for_the_file(models, tmp_path, capsys):
    source = save(tmp_path / "a.png", 400, 900, 3)
    assert denoise(models("identity 3"), source, "--output", tmp_path / "out", "--memory", "0.1") == 1
    assert "memory 0.1 GB: this image needs at least 0.7 GB" in capsys.readouterr().err
