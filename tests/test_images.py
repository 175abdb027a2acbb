import logging
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2n_tf.config import RunError, UsageError
from n2n_tf.data import samples
from n2n_tf.data.images import find_images


def test_folders_globs_and_files(photos, monkeypatch):
    (photos / "notes.txt").write_text("not an image, and not named like one")
    deeper = photos / "more"
    deeper.mkdir()
    Image.new("RGB", (64, 64)).save(deeper / "deep.bmp")
    assert len(find_images([str(photos)], 3)) == 13
    assert len(find_images([str(photos / "*.png")], 3)) == 6
    assert len(find_images([str(photos.parent / "phot*")], 3)) == 13  # a glob of folders
    assert len(find_images([str(photos / "00.jpg"), str(photos / "*.jpg")], 3)) == 6  # each once
    monkeypatch.chdir(photos)
    assert find_images(["00.jpg"], 3).pages[0].path == str(photos / "00.jpg")  # a run can be resumed from anywhere


def test_a_bad_entry_hides_no_other(photos, caplog):
    (photos / "loop.png").symlink_to("loop.png")
    os.mkfifo(photos / "pipe.png")
    (photos / "nowhere.png").symlink_to("gone.png")
    with caplog.at_level(logging.WARNING):
        assert len(find_images([str(photos)], 3)) == 12
    assert f"{photos}/loop.png: passed over: Too many levels of symbolic links" in caplog.text


def test_what_is_skipped_and_why(photos):
    (photos / "empty.png").touch()
    (photos / "text.png").write_text("hello")
    Image.new("L", (90, 90)).save(photos / "gray.png")
    Image.new("RGBA", (90, 90)).save(photos / "alpha.png")
    tifffile.imwrite(photos / "stack.tif", np.zeros((3, 80, 80), np.uint16), photometric="minisblack")
    images = find_images([str(photos)], 3, smallest_side=75)
    reasons = {path.rsplit("/", 1)[-1]: reason for path, reason in images.skipped.items()}
    assert reasons.pop("empty.png") == "the file is empty"
    assert reasons.pop("text.png").startswith("not a PNG, JPEG")
    assert reasons.pop("gray.png") == "1 channel(s), wanted 3; train with `channels` 1 for such images"
    assert set(reasons) >= {"stack.tif", "stack.tif, page 2", "stack.tif, page 3", "00.jpg"}
    assert reasons["00.jpg"] == "90×70 pixels, smaller than the 75×75 needed"
    assert len(images) == 8
    assert len(find_images([str(photos)], 1, smallest_side=75)) == 4


def test_a_file_that_breaks_later_is_replaced_by_its_successor_and_reported(photos):
    images = find_images([str(photos)], 3)
    expected, _ = images.read(5)
    content = (photos / "04.jpg").read_bytes()
    (photos / "04.jpg").write_bytes(content[:200])
    (photos / "03.png").unlink()
    for index in (3, 4):
        image, number = images.read(index)
        np.testing.assert_array_equal(image, expected)
        assert number == 5  # frozen noise is that of the image that was read
    assert "cannot be decoded" in images.skipped[str(photos / "04.jpg")]
    assert images.skipped[str(photos / "03.png")] == "No such file or directory"


def test_nothing_usable(photos, tmp_path):
    with pytest.raises(UsageError, match=r"--val-data .*/nowhere: no such folder or file"):
        find_images([str(tmp_path / "nowhere")], 3, flag="--val-data")
    with pytest.raises(RunError, match=r"smaller than the 256×256 needed"):
        find_images([str(photos)], 3, smallest_side=256)
    for number in range(10):
        (photos / f"{number}.png").touch()
    with pytest.raises(RunError, match=r"and 2 more"):
        find_images([str(photos)], 1)
    images = find_images([str(photos)], 3)
    for path in photos.iterdir():
        path.write_bytes(b"")
    with pytest.raises(RunError, match="none of the images can be read"):
        images.read(0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("names", [samples.TRAINING, samples.HELD_OUT])
def test_sample_images_are_there(names, channels):
    paths = samples.sample_paths(names, channels)
    images = find_images(paths, channels, smallest_side=256)
    assert len(images) == len(paths)
    assert not images.skipped
    assert all(np.ptp(images.read(i)[0]) > 0.5 for i in range(len(images)))


def test_training_and_held_out_samples_are_disjoint():
    for channels in (1, 3):
        assert not set(samples.TRAINING[channels]) & set(samples.HELD_OUT[channels])
