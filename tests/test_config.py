import dataclasses
import json
import re
import runpy
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from n2n_tf.cli.main import main
from n2n_tf.config import ServeConfig, UsageError, composed, flag, lookup, named
from n2n_tf.data.settings import CropSettings
from n2n_tf.methods.samplers import NeighborsSettings
from n2n_tf.training.config import Config, config_from
from n2n_tf.training.presets import PRESETS, build_config
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.settings import NetworkSettings, RunSettings

FILES = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
CONFIGS = [path for path in FILES if not path.name.startswith(("sidd", "table"))]


def of(flat, *names):
    return tuple(flat[name] for name in names)


def test_config_imports_no_tensorflow():
    program = "import sys, n2n_tf.training.presets, n2n_tf.cli.main; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_later_settings_win(tmp_path):
    toml = tmp_path / "mine.toml"
    toml.write_text('preset = "paper"\ndata = ["somewhere"]\nnoise = "gaussian"\nsigma = [5, 50]\nepochs = 7\n')
    config = build_config({"epochs": 9}, toml=toml)
    assert config.noise.sigma == (5.0, 50.0)
    assert config.run.epochs == 9
    assert config.network.init == "authors"
    assert config.crops.batch_size == PRESETS["paper"]["batch_size"] != CropSettings().batch_size
    # a preset on the command line wins
    assert build_config({}, preset="quick", toml=toml).network.init == NetworkSettings().init


def test_without_data_the_quick_preset_and_gaussian_noise():
    config = build_config({})
    assert config.noise.name == "gaussian"
    assert config.run.epochs == PRESETS["quick"]["epochs"]
    assert build_config({"data": ["x"], "noise": "none"}).run == RunSettings()


def test_json_gives_the_same_config_back():
    import json

    config = build_config({"data": ["x"], "noise": "poisson", "lam": [5, 50]})
    assert config_from(json.loads(config.to_json())) == config


@pytest.mark.parametrize(
    ("preset", "network"), [(None, "residual_unet"), ("quick", "residual_unet"), ("paper", "unet")]
)
def test_only_the_paper_preset_has_the_papers_network(preset, network):
    assert build_config({"data": ["x"], "noise": "gaussian"}, preset=preset).network.network == network


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset):
    build_config({"data": ["x"], "noise": "gaussian"}, preset=preset)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_files_follow_the_paper(path):
    flat = build_config({"data": ["x"]}, toml=path).flat
    assert of(flat, "epochs", "batch_size", "patch_size") == (100, 4, 256)
    assert of(flat, "gamma", "gamma_schedule", "init") == (2.0, "ramp", "authors")
    assert of(flat, "learning_rate", "learning_rate_schedule") == (3e-4, "halve")
    assert of(flat, "optimizer", "beta_2", "epsilon") == ("adam", 0.999, 1e-8)
    assert not flat["flips"]
    text = path.read_text()
    assert "Kodak" in text
    assert "Cost" in text


@pytest.mark.parametrize(("name", "network"), [("sidd_unet", "unet"), ("sidd_rrg", "rrg")])
def test_config_files_of_raw_follow_the_paper(name, network):
    (path,) = (path for path in FILES if path.stem == name)
    flat = build_config({"data": ["x"]}, toml=path).flat
    assert of(flat, "noise", "channels", "network") == ("none", 4, network)
    assert of(flat, "epochs", "batch_size", "patch_size", "flips") == (100, 4, 128, False)  # 256 pixels of the mosaic
    assert of(flat, "gamma", "learning_rate", "learning_rate_schedule") == (1.0, 1e-4, "halve")
    assert re.search(r"On 2 CPU cores a step takes [\d.]+ s, so the whole [\d.]+ days", path.read_text())


def test_the_recipes_to_compare_are_valid():
    path = Path(__file__).parents[1] / "benchmarks" / "recipes.py"
    recipes = runpy.run_path(str(path))
    assert recipes["RECIPES"]
    for settings in recipes["RECIPES"].values():
        config = config_from({**settings, **recipes["COMMON"], "data": ["x"]})
        assert config.run.epochs * config.run.steps_per_epoch == 2000
        assert (config.crops.patch_size, config.crops.batch_size) == (128, 4)


def test_the_four_synthetic_experiments_are_there():
    noises = [build_config({"data": ["x"]}, toml=path).noise for path in CONFIGS]
    levels = {(noise.name, noise.sigma if noise.name == "gaussian" else noise.lam) for noise in noises}
    assert levels == {
        ("gaussian", (25.0,)), ("gaussian", (5.0, 50.0)), ("poisson", (30.0,)), ("poisson", (5.0, 50.0)),
    }  # fmt: skip


def test_crops_are_as_large_as_a_distance_wants():
    for settings, side, batch in (
        ({}, 64, 16),
        ({"correlated": [3]}, 192, 4),
        ({"distance": [2]}, 128, 4),
        ({"distance": [2], "batch_size": 5}, 128, 5),
    ):
        crops = build_config({"data": ["x"], "noise": "none", **settings}).crops
        assert (crops.patch_size, crops.batch_size) == (side, batch)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma": [-5.0]}, "`sigma` -5.0: wanted above 0"),
        ({"sigma": [50.0, 5.0]}, "`sigma` 50 5: wanted one number, or two in ascending order"),
        ({"noise": "poisson", "lam": []}, "`lam` : wanted one number"),
        ({"patch_size": 100}, "`patch_size` 100: wanted a multiple of 64.*try 128 with `batch_size` 9"),
        ({"distance": [2], "patch_size": 64}, "`patch_size` 64: wanted a multiple of 128.*try 128 with `batch_size` 4"),
        ({"patch_size": 0}, "`patch_size` 0: wanted at least 32"),
        ({"channels": 0}, "`channels` 0: wanted at least 1"),
        ({"kind": "gray", "channels": 3}, "`kind` gray `channels` 3: images of this kind have 1"),
        ({"batch_size": 0}, "`batch_size` 0: wanted at least 1"),
        ({"epochs": 0}, "`epochs` 0: wanted at least 1"),
        ({"learning_rate": 0.0}, "`learning_rate` 0.0: wanted above 0"),
        ({"gamma": -1.0}, "`gamma` -1.0: wanted at least 0"),
        ({"beta_2": 1.0}, "`beta_2` 1.0: wanted above 0 and below 1"),
        ({"ema": 1.0}, "`ema` 1.0: wanted at least 0 and below 1"),
        ({"strategy": "miror"}, "`strategy`: 'miror' is not known; wanted one of .*did you mean 'mirrored'"),
        ({"noise": None}, "`data` without `noise`: say `noise` none"),
        ({"data": [], "noise": "none"}, "no `noise`: the sample images are clean"),
        ({"noise": "poisson", "sigma": [50.0]}, "`sigma` has no effect with `noise` poisson: leave it out, or say"),
        ({"lam": [30.0]}, "`lam` has no effect with `noise` gaussian"),
        ({"learning_rate_schedule": "halve", "warmup_steps": 5}, "`warmup_steps` has no effect with"),
        ({"noise": "none", "noise_once": True}, "`noise_once` has no effect with `noise` none"),
        ({"epochs": "many"}, "`epochs`: got 'many'; wanted a value of type int"),
        ({"epochs": True}, "`epochs`: got True"),
        ({"sigmas": 1}, "'sigmas' is not known.*did you mean 'sigma'"),
    ],
)
def test_wrong_settings_say_what_was_wanted(settings, message):
    with pytest.raises(UsageError, match=message):
        build_config({"data": ["x"], "noise": "gaussian", **settings})


@pytest.mark.parametrize(
    ("content", "message"),
    [("epochs = ", "is not TOML"), ("epoch = 3", "did you mean 'epochs'"), (None, "No such file")],
)
def test_wrong_files(content, message, tmp_path):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=message):
        build_config({}, toml=path)


def test_lookup_names_the_table_and_the_nearest():
    with pytest.raises(
        UsageError, match=r"`noise`: 'gausian' is not known; wanted one of gaussian, poisson; did you mean 'gaussian'\?"
    ):
        lookup({"poisson": 1, "gaussian": 2}, "gausian", "`noise`")


def test_help_texts_name_every_entry_of_the_tables():
    from n2n_tf.networks import NETWORKS
    from n2n_tf.networks.unet import INITS
    from n2n_tf.training.optimization import OPTIMIZERS

    tables = {"init": INITS, "optimizer": OPTIMIZERS, "network": NETWORKS}
    for name, setting in named(Config).items():
        for entry in (*setting.metadata["choices"], *setting.metadata.get("parts", ()), *tables.get(name, ())):
            shown = setting.metadata["choices"] or setting.metadata["help"]
            assert entry in shown, f"the help of {flag(name)} leaves out {entry}"
    assert {"noise", "method", "sampler", "learning_rate_schedule"} <= {
        name for name, setting in named(Config).items() if "parts" in setting.metadata
    }


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, 1e30, 2**63])
def test_every_number_has_a_range(wrong):
    for name, setting in named(Config).items():
        inner = (*typing.get_args(setting.hint), setting.hint)[0]
        if inner in (int, float) and name != "channels":  # which are few, and looked up
            value = (inner(0) + wrong,) if isinstance(setting.default, tuple) else wrong
            owner = {setting.chooser: setting.owners[0]} if setting.chooser else {}
            with pytest.raises(UsageError, match=f"`{name}` .*: wanted (at least|above)"):
                composed(Config, {"noise": "gaussian", **owner, name: value})
    for field in dataclasses.fields(ServeConfig):
        if type(field.default) in (int, float):  # a flag that is given or not has none
            with pytest.raises(UsageError, match=f"`{field.name}` .*: wanted (at least|above)"):
                ServeConfig(**{field.name: wrong})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "--sigma", "nan"], "--sigma nan: wanted above 0"),
        (["train", "--seed", str(2**63)], f"--seed {2**63}: wanted at least 0 and at most {2**31 - 1}"),
        (["serve", "m", "--timeout", "nan"], "--timeout nan: wanted above 0 and at most 86400"),
        (["evaluate", "m", "--repeats", "-1"], "--repeats -1: wanted at least 1"),
        (["evaluate", "m", "--pictures", "-1"], "--pictures -1: wanted at least 0"),
        (["denoise", "m", "a", "--memory", "inf"], "--memory inf: wanted above 0"),
        (["denoise", "m", "a", "--tile", "0"], "--tile 0: wanted at least 32"),
        (["export", "m", "--output", "o", "--max-pixels", str(2**63)], f"--max-pixels {2**63}: wanted at least 32768"),
    ],
)
def test_flags_outside_their_range_are_one_line_before_anything_is_loaded(arguments, text, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"n2n-tf {arguments[0]}: error: {text}")
    assert "\n" not in said


EARLIER = {  # a config.json of before settings belonged to parts: all of them, also those without effect
    "data": ["x"], "val_data": [], "noise": "poisson", "sigma": [25.0], "lam": [5.0, 50.0], "noise_once": False,
    "range": ["auto"], "channels": 3, "kind": "auto", "channel": [], "flips": True, "method": "neighbor2neighbor",
    "network": "unet", "features": 0, "init": "default", "optimizer": "adam", "beta_2": 0.99, "epsilon": 0.0,
    "learning_rate": 0.0015, "learning_rate_schedule": "halve", "warmup_steps": 200, "ema": 0.0, "gamma": 2.0,
    "gamma_schedule": "ramp", "epochs": 100, "steps_per_epoch": 0, "batch_size": 4, "patch_size": 256, "seed": 0,
    "strategy": "auto", "mixed_precision": "off", "jit_compile": "auto", "checkpoint_steps": 1000,
}  # fmt: skip


def test_settings_of_earlier_runs_load():
    flat = config_from(EARLIER).flat
    without = {"sigma", "warmup_steps"}  # effect: with poisson, with halve
    assert not without & flat.keys()
    kept = {name: list(value) if isinstance(value, tuple) else value for name, value in flat.items()}
    assert {name: kept[name] for name in EARLIER if name not in without} == {
        name: value for name, value in EARLIER.items() if name not in without
    }
    new = {
        "target": "",
        "sampler": "neighbors",
        "cell": 2,
        "distance": (1,),
        "targets": 0,  # 1 where a run directory does not tell
        "clip_gradients": 1.0,  # 0 there
        "patience": 0,
        "correlated": ("auto",),
        "refine": False,
        "weights": "",
        "hole": 1,
        "seconds": 0.0,
    }
    assert {name: flat[name] for name in flat if name not in EARLIER} == new


def test_earlier_runs_go_on_as_they_were(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": EARLIER}))
    found = RunDirectory(tmp_path).settings().flat
    assert (found["targets"], found["clip_gradients"]) == (1, 0.0)


@pytest.mark.parametrize(
    ("side", "replicas", "batch"), [(64, 1, None), (128, 1, 4), (320, 1, 4), (128, 8, 8), (192, 3, 6)]
)
def test_larger_crops_come_in_smaller_batches(side, replicas, batch):
    assert CropSettings().fewer(side, replicas).get("batch_size") == batch


@pytest.mark.parametrize(("settings", "count"), [({}, 2), ({"targets": 1}, 1), ({"cell": 3}, 1)])
def test_a_pixel_learns_from_both_neighbours_where_it_has_two(settings, count):
    assert NeighborsSettings(**settings).build().targets == count
