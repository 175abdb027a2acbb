"""Where a Zarr group grows: at a URL, and with what a kill leaves."""

import json
import os

import numpy as np
import pytest

from n2n_tf.config import RunError
from n2n_tf.formats import zarr_place
from n2n_tf.inference import Denoiser
from n2n_tf.tasks import zarr_blocks
from n2n_tf.tasks.denoise_zarr import denoise_zarr
from n2n_tf.tasks.zarr_output import RECORD
from tests.conftest import negative
from tests.zarrs import pixels, write_image, zarr


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(zarr_blocks, "LONGEST", 128)


def test_urls_in_and_out_with_the_groups_own_metadata_last(monkeypatch, small_blocks, tmp_path):
    """What is not whole cannot be opened as an image; it is gone on with."""
    data = pixels(2, 200, 300)
    source = write_image(f"memory://{tmp_path.name}/in.zarr", data, chunks=(1, 64, 64))
    target = f"memory://{tmp_path.name}/out.zarr"
    denoiser, done = Denoiser(negative(1)), []

    def killed(_, __):
        done.append(1)
        if len(done) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise_zarr(denoiser, source, target, on_pixels=killed)
    place = zarr_place.ZarrPlace(target)
    assert place.document(RECORD)["done"] == [5, 0, 0]
    assert not place.holds()
    monkeypatch.setattr(zarr_blocks, "LONGEST", 4096)  # blocks stay what they were
    denoise_zarr(denoiser, source, target, on_pixels=lambda *_: done.append(1))
    assert len(done) == 2 * 2 * 3
    assert place.document(RECORD) is None
    np.testing.assert_array_equal(zarr.open_array(f"{target}/0")[...], 65535 - data)
    assert dict(zarr.open_group(target).attrs) == dict(zarr.open_group(source).attrs)
    with pytest.raises(FileExistsError, match="exists already"):
        denoise_zarr(denoiser, source, target)


def test_at_a_url_a_living_process_is_left_alone_and_who_is_overtaken_stops(small_blocks, tmp_path):
    """No lock is there; the record tells the owner, of whom another machine cannot tell whether he lives."""
    source = write_image(tmp_path / "a.zarr", pixels(200, 300), levels=1, chunks=(64, 64))
    target, done = f"memory://{tmp_path.name}/out.zarr", []
    place = zarr_place.ZarrPlace(target)

    def put(owner):
        record = place.document(RECORD)
        place.write(RECORD, json.dumps({**record, "owner": owner, "token": "other"}).encode())

    def taken_over(number, _):
        done.append(number)
        if len(done) == 2:
            put(f"process {os.getppid()} on {os.uname().nodename}")

    for said in ("another process has taken it over", f"process {os.getppid()} on .* is writing there"):
        with pytest.raises(RunError, match=said):
            denoise_zarr(Denoiser(negative(1)), str(source), target, on_pixels=taken_over)
    assert len(done) == 2
    put("process 7 on the moon")
    denoise_zarr(Denoiser(negative(1)), str(source), target)
    np.testing.assert_array_equal(zarr.open_array(f"{target}/0")[...], 65535 - zarr.open_array(source / "0")[...])


def test_a_record_without_what_it_tells_of_is_none(tmp_path):
    """A kill before the metadata were written, or after the group got its name."""
    source = write_image(tmp_path / "a.zarr", pixels(20, 30), levels=1)
    target = tmp_path / "out.zarr"
    (tmp_path / ".partial.out.zarr").mkdir()
    (tmp_path / ".partial.out.zarr" / RECORD).write_text('{"job": {}, "done": [1]}')
    denoise_zarr(Denoiser(negative(1)), str(source), str(target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "out.zarr"]
    np.testing.assert_array_equal(zarr.open_array(target / "0")[...], 65535 - zarr.open_array(source / "0")[...])
