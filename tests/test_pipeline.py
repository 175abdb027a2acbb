import dataclasses
import itertools
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from n2n_tf.data import numbered, pipeline, seeds
from n2n_tf.data.images import find_images
from n2n_tf.data.numbered import draws_of
from n2n_tf.data.pipeline import crop, flip, held_out_pair, training_batches
from n2n_tf.data.seeds import derive, shuffled
from n2n_tf.formats import bayer
from n2n_tf.noise import Gaussian
from n2n_tf.training.build import build_recipe
from n2n_tf.training.config import config_from

CONFIG = {"data": ["x"], "noise": "gaussian", "patch_size": 64, "batch_size": 3, "seed": 7}


def recipe(noise="as it says", **settings):
    made = build_recipe(config_from({**CONFIG, **settings}))
    return made if noise == "as it says" else dataclasses.replace(made, noise=noise)


NOISE = Gaussian(0.1)
RNG = np.random.default_rng(0)


@pytest.fixture
def images(photos):
    return find_images([str(photos)], 3, 64)


def take(batches, count):
    return [tuple(part.numpy() for part in batch) for batch in batches.take(count)]


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_batches_are_noisy_clean_pairs(images):
    for noisy, clean in take(training_batches(images, recipe()), 3):
        assert noisy.shape == clean.shape == (3, 64, 64, 3)
        assert noisy.dtype == clean.dtype == np.float32
        assert clean.min() >= 0
        assert clean.max() <= 1
        assert abs((noisy - clean).std() - 0.1) < 5 * 0.1 / np.sqrt(2 * clean.size)
    (only_noisy,) = take(training_batches(images, recipe(None)), 1)[0]
    np.testing.assert_array_equal(only_noisy, take(training_batches(images, recipe()), 1)[0][1])


@pytest.mark.parametrize("once", [False, True])
def test_the_same_seed_gives_the_same_batches_whatever_the_parallelism(images, once, monkeypatch):
    config = {"noise_once": once}
    batches = take(training_batches(images, recipe(**config)), 6)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert_equal(take(training_batches(images, recipe(**config)), 6), batches)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert_equal(take(training_batches(images, recipe(**config)), 6), batches)
    assert_equal(take(training_batches(images, recipe(**config), first_step=4), 2), batches[4:])  # a resumed run
    bigger = take(training_batches(images, recipe(**config, batch_size=9)), 2)
    assert_equal([[np.concatenate([b[i] for b in batches[:3]]) for i in (0, 1)]], bigger[:1])
    other = take(training_batches(images, recipe(**config, seed=8)), 1)
    assert np.mean(other[0][1] == batches[0][1]) < 0.5


def test_no_thread_tunes_it(images):
    """Such a thread may miss that it is to end, and kept stopped runs waiting for up to a minute."""
    assert training_batches(images, recipe()).options().autotune.enabled is False


def test_each_pass_is_a_new_permutation():
    numbers = tf.range(36, dtype=tf.int64)
    orders = tf.map_fn(lambda number: shuffled(number, 12, 3), numbers).numpy().reshape(3, 12)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(12), (3, 1)))
    assert len({tuple(order) for order in orders}) == 3


def test_every_pixel_can_be_in_a_crop():
    """Image of 6×5 pixels, crops of 4×4: 3 × 2 positions, each about as often."""
    image = tf.reshape(tf.range(30), [6, 5, 1])
    corners = [int(crop(image, 4, [0, number])[0, 0, 0]) for number in range(600)]
    values, counts = np.unique(corners, return_counts=True)
    np.testing.assert_array_equal(values, [0, 1, 5, 6, 10, 11])
    assert abs(counts - 100).max() < 5 * np.sqrt(600 * 1 / 6 * 5 / 6)
    np.testing.assert_array_equal(crop(image[:4, :4], 4, [0, 0]), image[:4, :4])  # exactly the patch


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_window_is_the_crop(dtype, tmp_path):
    """Read from a file as a window, or whole and cropped after: the same."""
    pixels = RNG.integers(0, 255, (90, 70)).astype(dtype)
    tifffile.imwrite(tmp_path / "one.tif", pixels / dtype(255) if dtype is np.float32 else pixels)
    images = find_images([str(tmp_path)], 1)
    whole = tf.constant(images.read(0)[0])
    for number in range(20):
        window, _ = images.read(0, 64, draws_of([3, number]).numpy())
        np.testing.assert_array_equal(window, crop(whole, 64, [3, number]))


def test_flips_are_the_four_mirror_images():
    image = tf.reshape(tf.range(18), [3, 3, 2])
    mirrored = {flip(image, 3, [0, number]).numpy().tobytes() for number in range(60)}
    a = image.numpy()
    assert mirrored == {a.tobytes(), a[::-1].tobytes(), a[:, ::-1].tobytes(), a[::-1, ::-1].tobytes()}


def test_each_mirror_image_comes_as_often():
    """Counted by the pixel that comes first: in 2000 draws within five standard errors of 500."""
    image = tf.reshape(tf.range(9), [3, 3, 1])
    firsts = tf.data.Dataset.range(2000).map(lambda number: flip(image, 3, tf.stack([0, number]))[0, 0, 0])
    values, counts = np.unique(list(firsts.as_numpy_iterator()), return_counts=True)
    np.testing.assert_array_equal(values, [0, 2, 6, 8])
    assert abs(counts - 500).max() < 5 * np.sqrt(2000 * 1 / 4 * 3 / 4)


def test_flipped_mosaics_begin_with_red_again():
    mosaic = np.arange(100).reshape(10, 10)
    planes = tf.constant(bayer.pack(mosaic, "RGGB"))
    found = {bayer.unpack(flip(planes, 4, [0, number]).numpy(), "RGGB", 8, 8).tobytes() for number in range(60)}
    down, across, both = (mosaic[::-1][1:9, :8], mosaic[:, ::-1][:8, 1:9], mosaic[::-1, ::-1][1:9, 1:9])
    assert found == {each.tobytes() for each in (mosaic[:8, :8], down, across, both)}


def test_frozen_noise_belongs_to_the_pixel_and_fresh_noise_does_not(tmp_path):
    """An image of the patch's size has one crop: frozen, it comes back with the same noise at each pass."""
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "one.png")
    images = find_images([str(tmp_path)], 3)
    for once in (True, False):
        config = {"noise_once": once, "flips": False, "batch_size": 1}
        (first, _), (second, _) = take(training_batches(images, recipe(**config)), 2)
        assert np.array_equal(first, second) == once


def test_frozen_noise_follows_crops_and_flips(tmp_path):
    """Noise = noisy - clean, looked up by the clean value, which names the pixel."""
    names = np.arange(80 * 100, dtype=np.uint16).reshape(80, 100)
    Image.fromarray(names).save(tmp_path / "names.png")
    images = find_images([str(tmp_path)], 1)
    config = {"channels": 1, "noise_once": True, "batch_size": 4}
    seen = {}
    for noisy, clean in take(training_batches(images, recipe(**config)), 5):
        for name, value in zip(np.rint(clean * 65535).ravel(), noisy.ravel(), strict=True):
            assert seen.setdefault(int(name), value) == value
    assert len(seen) > 64 * 64


@pytest.mark.parametrize("flips", [True, False])
def test_crop_flip_and_noise_of_an_element_draw_with_seeds_of_their_own(flips, images, monkeypatch):
    seen = {"crop": [], "flip": [], "noise": []}

    def spied(purpose, function):
        def called(*arguments):
            def note(seed):
                seen[purpose].append(tuple(seed))
                return seed

            seed = tf.numpy_function(note, arguments[-1:], arguments[-1].dtype)
            return function(*arguments[:-1], tf.ensure_shape(seed, [2]))

        return called

    monkeypatch.setattr(numbered, "draws_of", spied("crop", draws_of))
    monkeypatch.setattr(pipeline, "flip", spied("flip", flip))
    config = {"flips": flips}
    take(training_batches(images, recipe(spied("noise", NOISE), **config)), 4)
    made = [seed for seeds in seen.values() for seed in seeds]
    assert [bool(seeds) for seeds in seen.values()] == [True, flips, True]
    assert len(made) >= 4 * 3 * (2 + flips)
    assert len(set(made)) == len(made)


def test_held_out_noise_never_changes(images):
    pairs = [held_out_pair(images, index, NOISE, 7) for index in (0, 0, 1)]
    np.testing.assert_array_equal(pairs[0][0], pairs[1][0])
    np.testing.assert_array_equal(pairs[0][1], images.read(0)[0])
    assert pairs[0][0].shape != pairs[2][0].shape
    noisy, clean = held_out_pair(images, 0, None, 7)
    assert clean is None
    np.testing.assert_array_equal(noisy, images.read(0)[0])


def test_frozen_and_held_out_noise_differ_between_images_seeds_and_each_other(tmp_path):
    """Two equal images of the patch's size: what differs is the noise."""
    for name in "ab":
        Image.new("RGB", (64, 64), "gray").save(tmp_path / f"{name}.png")
    images = find_images([str(tmp_path)], 3)
    configs = [{"noise_once": True, "flips": False, "batch_size": 2, "seed": seed} for seed in (7, 8)]
    noisy = []
    for config in configs:
        noisy += [held_out_pair(images, index, NOISE, config["seed"])[0] for index in (0, 1)]
        noisy += list(take(training_batches(images, recipe(**config)), 1)[0][0])
    assert len(noisy) == 8
    for one, other in itertools.combinations(noisy, 2):
        assert np.abs(one - other).max() > 0.1


def test_of_a_large_image_the_middle_is_held_out():
    image = np.arange(515 * 700).reshape(515, 700, 1)
    np.testing.assert_array_equal(pipeline.middle(image), image[1:513, 94:606])
    np.testing.assert_array_equal(pipeline.middle(image[:, :20]), image[1:513, :20])


def test_purposes_have_different_seeds():
    purposes = (seeds.SHUFFLE, seeds.ELEMENT, seeds.IMAGE, seeds.HELD_OUT, seeds.SHARDS, seeds.WINDOWS)
    given = itertools.product((0, 1, 2), purposes, range(50))
    assert len({tuple(derive(seed, purpose, number).numpy()) for seed, purpose, number in given}) == 900


MEMORY = """
    import functools, re, sys
    from n2n_tf.data.settings import CropSettings
    from n2n_tf.formats import readers
    from n2n_tf.data.images import find_images
    from n2n_tf.data.pipeline import Recipe, training_batches

    def peak():
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

    images = find_images([sys.argv[1]], 3)
    if sys.argv[2] == "cached":  # what must not happen
        readers.read = functools.cache(readers.read)
    batches = iter(training_batches(images, Recipe(CropSettings(patch_size=64, batch_size=8), None, 0)))
    before = peak()
    for _ in range(15):
        next(batches)
    print(peak() - before)
    del batches
"""


def test_memory_stays_bounded(tmp_path):
    """Three passes over 40 images of 12 MB each, 480 MB in all: nothing decoded is kept."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from Linux's /proc")
    flat = Image.new("RGB", (2048, 2048), "gray")
    for number in range(40):
        flat.save(tmp_path / f"{number}.png")
    grown = {}
    for kind in ("as it is", "cached"):
        command = [sys.executable, "-c", textwrap.dedent(MEMORY), str(tmp_path), kind]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        grown[kind] = int(output.split()[-1])
    assert grown["cached"] > 450, grown
    assert grown["as it is"] < 300, grown
