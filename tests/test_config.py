import dataclasses
import re
import runpy
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from n2n_tf.cli.main import main
from n2n_tf.config import PRESETS, Config, ServeConfig, UsageError, build_config, config_from, flag, lookup

FILES = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
CONFIGS = [path for path in FILES if not path.name.startswith("sidd")]


def test_config_imports_no_tensorflow():
    program = "import sys, n2n_tf.config, n2n_tf.cli.main; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_later_settings_win(tmp_path):
    toml = tmp_path / "mine.toml"
    toml.write_text('preset = "paper"\ndata = ["somewhere"]\nnoise = "gaussian"\nsigma = [5, 50]\nepochs = 7\n')
    config = build_config({"epochs": 9}, toml=toml)
    assert config.sigma == (5.0, 50.0)
    assert config.epochs == 9
    assert config.init == "authors"
    assert config.batch_size == Config(noise="gaussian").batch_size
    assert (
        build_config({}, preset="quick", toml=toml).init == Config(noise="gaussian").init
    )  # a preset on the command line wins


def test_without_data_the_quick_preset_and_gaussian_noise():
    config = build_config({})
    assert config.noise == "gaussian"
    assert config.epochs == PRESETS["quick"]["epochs"]
    assert build_config({"data": ["x"], "noise": "none"}).epochs == Config(noise="gaussian").epochs


def test_json_gives_the_same_config_back():
    import json

    config = build_config({"data": ["x"], "noise": "poisson", "lam": [5, 50]})
    assert config_from(json.loads(config.to_json())) == config


@pytest.mark.parametrize(
    ("preset", "network"), [(None, "residual_unet"), ("quick", "residual_unet"), ("paper", "unet")]
)
def test_only_the_paper_preset_has_the_papers_network(preset, network):
    assert build_config({"data": ["x"], "noise": "gaussian"}, preset=preset).network == network


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset):
    build_config({"data": ["x"], "noise": "gaussian"}, preset=preset)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_files_follow_the_paper(path):
    config = build_config({"data": ["x"]}, toml=path)
    assert (config.epochs, config.batch_size, config.patch_size) == (100, 4, 256)
    assert (config.gamma, config.gamma_schedule, config.init) == (2.0, "ramp", "authors")
    assert (config.learning_rate, config.learning_rate_schedule) == (3e-4, "halve")
    assert (config.optimizer, config.beta_2, config.epsilon) == ("adam", 0.999, 1e-8)
    assert not config.flips
    text = path.read_text()
    assert "Kodak" in text
    assert "Cost" in text


@pytest.mark.parametrize(("name", "network"), [("sidd_unet", "unet"), ("sidd_rrg", "rrg")])
def test_config_files_of_raw_follow_the_paper(name, network):
    (path,) = (path for path in FILES if path.stem == name)
    config = build_config({"data": ["x"]}, toml=path)
    assert (config.noise, config.channels, config.network) == ("none", 4, network)
    assert (config.epochs, config.batch_size, config.crop_side) == (100, 4, 128)  # 256 pixels of the mosaic
    assert (config.gamma, config.learning_rate, config.learning_rate_schedule) == (1.0, 1e-4, "halve")
    assert re.search(r"On 2 CPU cores a step takes [\d.]+ s, so the whole [\d.]+ days", path.read_text())


def test_the_recipes_to_compare_are_valid():
    path = Path(__file__).parents[1] / "benchmarks" / "recipes.py"
    recipes = runpy.run_path(str(path))
    assert recipes["RECIPES"]
    for settings in recipes["RECIPES"].values():
        config = config_from({**settings, **recipes["COMMON"], "data": ["x"]})
        assert (config.epochs * config.steps_per_epoch, config.patch_size, config.batch_size) == (2000, 128, 4)


def test_the_four_synthetic_experiments_are_there():
    levels = {(c.noise, c.sigma if c.noise == "gaussian" else c.lam) for c in
              (build_config({"data": ["x"]}, toml=path) for path in CONFIGS)}  # fmt: skip
    assert levels == {
        ("gaussian", (25.0,)), ("gaussian", (5.0, 50.0)), ("poisson", (30.0,)), ("poisson", (5.0, 50.0)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sigma": [-5.0]}, "--sigma -5.0: wanted above 0"),
        ({"sigma": [50.0, 5.0]}, "--sigma 50 5: wanted one number, or two in ascending order"),
        ({"noise": "poisson", "lam": []}, "--lam : wanted one number"),
        ({"patch_size": 100}, "--patch-size 100: wanted a multiple of 64.*try 128"),
        ({"patch_size": 0}, "--patch-size 0: wanted at least 64"),
        ({"channels": 0}, "--channels 0: wanted at least 1"),
        ({"kind": "gray", "channels": 3}, "--kind gray --channels 3: images of this kind have 1"),
        ({"batch_size": 0}, "--batch-size 0: wanted at least 1"),
        ({"epochs": 0}, "--epochs 0: wanted at least 1"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0: wanted above 0"),
        ({"gamma": -1.0}, "--gamma -1.0: wanted at least 0"),
        ({"beta_2": 1.0}, "--beta-2 1.0: wanted above 0 and below 1"),
        ({"ema": 1.0}, "--ema 1.0: wanted at least 0 and below 1"),
        ({"strategy": "miror"}, "--strategy: 'miror' is not known; wanted one of .*did you mean 'mirrored'"),
        ({"noise": None}, "--data without --noise: say --noise none"),
        ({"data": [], "noise": "none"}, "no --noise: the sample images are clean"),
        ({"noise": "poisson", "sigma": [50.0]}, "--sigma has no effect with --noise poisson: leave it out, or say"),
        ({"lam": [30.0]}, "--lam has no effect with --noise gaussian"),
        ({"learning_rate_schedule": "halve", "warmup_steps": 5}, "--warmup-steps has no effect with"),
        ({"noise": "none", "noise_once": True}, "--noise-once with --noise none"),
        ({"epochs": "many"}, "--epochs: got 'many'; wanted a value of type int"),
        ({"epochs": True}, "--epochs: got True"),
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
        UsageError, match=r"--noise: 'gausian' is not known; wanted one of gaussian, poisson; did you mean 'gaussian'\?"
    ):
        lookup({"poisson": 1, "gaussian": 2}, "gausian", "--noise")


def test_help_texts_name_every_entry_of_the_tables():
    from n2n_tf.methods import METHODS
    from n2n_tf.networks import NETWORKS
    from n2n_tf.networks.unet import INITS
    from n2n_tf.noise import NOISES
    from n2n_tf.training.optimization import GAMMAS, LEARNING_RATES, OPTIMIZERS

    texts = {field.name: field.metadata["help"] for field in dataclasses.fields(Config)}
    for name, table in {
        "noise": NOISES, "init": INITS, "optimizer": OPTIMIZERS, "learning_rate_schedule": LEARNING_RATES,
        "gamma_schedule": GAMMAS, "network": NETWORKS, "method": METHODS,
    }.items():  # fmt: skip
        assert all(entry in texts[name] for entry in table), f"the help of {flag(name)} leaves out one of {list(table)}"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, 1e30, 2**63])
def test_every_number_has_a_range(wrong):
    hints = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        inner = (*typing.get_args(hints[field.name]), hints[field.name])[0]
        if inner in (int, float) and field.name != "channels":  # which are few, and looked up
            value = (inner(0) + wrong,) if isinstance(field.default, tuple) else wrong
            with pytest.raises(UsageError, match=f"{flag(field.name)} .*: wanted (at least|above)"):
                Config(**{"noise": "gaussian", field.name: value})
    for field in dataclasses.fields(ServeConfig):
        if type(field.default) in (int, float):  # a flag that is given or not has none
            with pytest.raises(UsageError, match=f"{flag(field.name)} .*: wanted (at least|above)"):
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
