"""Which experiment is loaded, how overrides and presets lie over it, and where its paths point."""

import warnings
from pathlib import Path

import pytest

from stforecast.config import (
    Experiment,
    experiment_preset,
    experiment_presets,
    load_experiment,
    model_presets,
    safe_name,
)
from stforecast.config import presets as presets_module
from stforecast.errors import ConfigError, StForecastWarning
from stforecast.models.registry import carried_over


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demo_stands_in_where_there_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_experiment()
    assert loaded.is_demo
    assert "built-in demo" in loaded.origin
    assert loaded.base == Path()
    assert loaded.store == Path("runs/demo/store.zarr")
    assert loaded.model == Path("runs/demo/model")


def test_the_file_of_the_folder_comes_before_the_demo(tmp_path, monkeypatch):
    folder = tmp_path / "rain study"
    write(folder / "stforecast.yaml", "data:\n  files: rain.nc\n")
    monkeypatch.chdir(folder)
    loaded = load_experiment()
    assert not loaded.is_demo
    assert loaded.experiment.name == "rain-study"
    assert loaded.experiment.data.files == ["rain.nc"]


def test_own_data_has_defaults_not_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_experiment(own_data="wind")
    assert not loaded.is_demo
    assert loaded.experiment == Experiment(name="wind")
    write(tmp_path / "stforecast.yaml", "name: mine\n")
    assert load_experiment(own_data="wind").experiment.name == "mine"


def test_paths_of_a_file_start_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "study/taxi.yaml", "data: {store: taxi.zarr}\nmaps: {overlay: a.geojson}\n")
    loaded = load_experiment("study/taxi.yaml")
    assert loaded.experiment.name == "taxi"
    assert loaded.base == Path("study")
    assert loaded.store == Path("study/taxi.zarr")
    assert loaded.overlay == Path("study/a.geojson")
    assert loaded.model == Path("runs/taxi/model")


def test_paths_on_the_command_line_start_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "study/taxi.yaml", "data: {store: taxi.zarr}\n")
    loaded = load_experiment(
        "study/taxi.yaml",
        ["data.store=here.zarr", "data.files=[a.nc, 'package:p/b.nc']", "runs=out"],
    )
    assert loaded.store == tmp_path / "here.zarr"
    assert loaded.experiment.data.files == [str(tmp_path / "a.nc"), "package:p/b.nc"]
    assert loaded.folder == Path("out/taxi")


def test_dates_stay_text_and_a_date_alone_is_a_period(tmp_path):
    path = write(
        tmp_path / "a.yaml",
        "data:\n  split:\n    train: [2010-01-01, 2010-02-30]\n    validation: [2011, 2012]\n"
        "    test: 2013\n  period: [2010-01-01T05:00, '2013']\n",
    )
    data = load_experiment(path).experiment.data
    assert data.split.train == ("2010-01-01", "2010-02-30")
    assert data.split.validation == ("2011", "2012")
    assert data.split.test == ("2013", "2013")
    assert data.period == ("2010-01-01T05:00", "2013")


def test_yaml_is_of_version_1_2(tmp_path):
    path = write(
        tmp_path / "a.yaml",
        "data: {variables: {no: {long_name: 12:30}}}\ntraining: {learning_rate: 1e-4}\n",
    )
    experiment = load_experiment(path).experiment
    assert experiment.data.variables is not None
    assert experiment.data.variables["no"].long_name == "12:30"
    assert experiment.training.learning_rate == 1e-4


def test_sections_whose_every_line_is_commented_out_are_empty(tmp_path):
    path = write(tmp_path / "a.yaml", "training:\n  # seed: 1\ndata:\n  split:\n")
    assert load_experiment(path).experiment == Experiment(name="a")


@pytest.mark.parametrize(
    ("overrides", "read"),
    [
        (["training.max_epochs=5"], lambda e: e.training.max_epochs == 5),
        (["training.max_epochs=5"], lambda e: e.training.max_time is None),
        (["training.max_time=5min"], lambda e: e.training.max_time == "5min"),
        (["training.gradient_clip=null"], lambda e: e.training.gradient_clip is None),
        (["training.compile=true"], lambda e: e.training.compile is True),
        (["windows.history=12h"], lambda e: e.windows.history == "12h"),
        (["data.select.level=500"], lambda e: e.data.select == {"level": 500}),
        (["data.files=[a.nc, b.nc]"], lambda e: e.data.files == ["a.nc", "b.nc"]),
        (["data.files=[a.nc]", "data.files.1=b.nc"], lambda e: e.data.files == ["a.nc", "b.nc"]),
        (
            ["data.variables.air_temperature.minimum=0"],
            lambda e: e.data.variables["air_temperature"].minimum == 0,
        ),
        (["data.variables=[u, v]"], lambda e: list(e.data.variables) == ["u", "v"]),
        (
            ["windows.covariates.0.calendar=month"],
            lambda e: e.windows.covariates[0].calendar == ["month"],
        ),
        (["verification.by=[lead_time, month]"], lambda e: e.verification.by[1] == "month"),
        (["model.hid_S=8"], lambda e: e.model.settings["hid_S"] == 8),
        (["training.seed=1", "training.seed=2"], lambda e: e.training.seed == 2),
    ],
)
def test_overrides(overrides, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_experiment(None, overrides)
    assert read(loaded.experiment)


WRONG = {
    "training.max_epohs=5": "training.max_epohs is not an option; did you mean training.max_epochs",
    "max_epochs=5": "max_epochs is not an option; did you mean training.max_epochs?",
    "trainig.seed=1": "trainig is not an option; did you mean training?",
    "a=1": "a is not an option; an experiment has name, runs, protocol, data",
    "training.batch_size=many": "training.batch_size is many; it must be a whole number",
    "training.batch_size=0": "training.batch_size is 0; it must be at least 1",
    "training.learning_rate=.inf": "training.learning_rate is inf; it must be a finite number",
    "training.schedule=onecyle": "must be onecycle, cosine or constant; did you mean onecycle?",
    "training.max_time=600": "training.max_time is 600; it must be text, in quotes",
    "training.schedule=cosine": "early_stopping needs schedule: constant",
    "training=5": "training is 5; it must be keys with values",
    "training.compile=maybe": "it must be true or false",
    "data.split.train=1.5": "it must be a first and a last date or a number below 1",
    "data.split.train=[a]": "data.split.train is a list; it must be a first and a last date",
    "data.split={train: 0.9, test: 0.5}": "the fractions of the split add up to 1.4, over 1",
    "data.variables.air_temperature.minimun=0": "did you mean data.variables.air_temperature.min",
    "data.grid.west=3": "data.grid.east is missing",
    "windows.covariates=[{kalendar: hour}]": "did you mean windows.covariates.0.calendar?",
    "verification.by=hur": "did you mean hour?",
    "name=a/b": "name is a/b; it must be letters",
    "name.x=1": "name is demo, which has no key x",
    "verification.by.7=month": "verification.by is a list of 1, entered by the number",
    "training=[1": "is not valid YAML",
    "training": "--set training is not KEY=VALUE",
    "=3": "is not KEY=VALUE",
    "model.preset=none_such": "there is no preset none_such of simvp",
}


@pytest.mark.parametrize(("override", "sentence"), WRONG.items())
def test_a_wrong_override_is_told_in_one_sentence(override, sentence):
    with pytest.raises(ConfigError) as caught:
        load_experiment(experiment_preset("demo"), [override])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data:\n  files: a\ntraining:\n  max_epohs: 3\n", "x.yaml, line 4: training.max_epohs"),
        ("windows:\n  covariates:\n    - {calendar: [hours]}\n", "x.yaml, line 3: windows.cov"),
        ("training: {max_epochs: 1, max_steps: 5}\n", "line 1: training: max_epochs and max_"),
        ("name: a\nname: b\n", "x.yaml, line 2: the key name is given twice"),
        ("name: [a\n", "is not valid YAML"),
        ("name:\n\t- a\n", "line 2 is not valid YAML"),
        ("- a\n- b\n", "x.yaml holds a list, not keys with values"),
        ("name: !!python/object:os.system {}\n", "line 1 is not valid YAML"),
        ("name: 2019\n", "line 1: name is 2019; it must be text, in quotes"),
        ("? [a]\n: 1\n", "keys are text"),
        ("\x00", "is not valid YAML"),
        ("model: {name: simpv, preset: taxibj}\n", "simpv; did you mean simvp?"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path, text, sentence):
    path = write(tmp_path / "x.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no experiment file .*none\.yaml"):
        load_experiment(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="--from taxibj"):
        load_experiment("taxibj")
    with pytest.raises(ConfigError, match="is a folder"):
        load_experiment(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match="not a text file in UTF-8"):
        load_experiment(tmp_path / "x.yaml")
    deep = write(tmp_path / "deep.yaml", "a: " + "[" * 60 + "]" * 60 + "\n")
    with pytest.raises(ConfigError, match="levels deep"):
        load_experiment(deep)


@pytest.mark.parametrize("name", experiment_presets())
def test_every_experiment_that_comes_with_the_package_loads(name):
    loaded = load_experiment(experiment_preset(name))
    assert loaded.experiment.name == name
    assert loaded.experiment.data.files


def test_the_package_brings_these_experiments():
    assert {"demo", "taxibj", "bikenyc", "taxinyc", "era5", "moving_mnist"} <= set(
        experiment_presets()
    )


def test_published_settings_lie_under_the_users_own(tmp_path, monkeypatch):
    write(
        tmp_path / "presets/model/simvp/small.yaml",
        "model: {hid_S: 7, N_T: 3}\ntraining: {batch_size: 5, max_epochs: 9}\n",
    )
    write(tmp_path / "presets/model/simvp/flat.yaml", "name: simvp\nhid_S: 9\n")
    monkeypatch.setattr(presets_module, "presets_folder", lambda: tmp_path / "presets")
    assert model_presets("simvp") == ["flat", "small"]
    path = write(
        tmp_path / "x.yaml",
        "model: {preset: small, N_T: 4}\ntraining: {batch_size: 6}\n",
    )
    experiment = load_experiment(path).experiment
    assert experiment.model.settings == {"hid_S": 7, "N_T": 4}
    assert (experiment.training.batch_size, experiment.training.max_epochs) == (6, 9)
    timed = load_experiment(path, ["training.max_time=1min"]).experiment
    assert (timed.training.max_time, timed.training.max_epochs) == ("1min", None)
    flat = load_experiment(path, ["model.preset=flat"]).experiment
    assert flat.model.settings == {"hid_S": 9, "N_T": 4}


def test_another_system_on_the_command_line_leaves_the_settings_of_the_files(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("model: {name: simvp, preset: taxibj, hid_S: 8, padding: zeros}\n")
    with pytest.warns(StForecastWarning, match="settings of simvp are left out: hid_S, padding"):
        loaded = load_experiment(
            path, ["model.filter_size=3", "model.name=predrnn"], carry=carried_over
        )
    model = loaded.experiment.model
    assert (model.name, model.preset) == ("predrnn", "taxibj")
    assert "hid_S" not in model.settings
    assert "padding" not in model.settings
    assert model.settings["filter_size"] == 3
    assert model.settings["patch_size"] == 2

    path.write_text("model: {name: simvp, preset: original, hid_S: 8}\n")
    with pytest.warns(StForecastWarning, match="left out: preset, hid_S"):
        model = load_experiment(path, ["model.name=convlstm"], carry=carried_over).experiment.model
    assert (model.preset, model.settings) == (None, {})

    path.write_text("model: {hid_S: 8, groups: 2}\n")
    with pytest.warns(StForecastWarning, match="settings of simvp are left out: groups"):
        loaded = load_experiment(path, ["model.name=simvp:tau"], carry=carried_over)
    assert loaded.experiment.model.settings == {"hid_S": 8}


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("{name: simvp, preset: small}", {"hid_S": 7}),
        ("{name: 'simvp:tau', preset: small}", {"translator": "tau", "hid_S": 8}),
        ("{name: 'simvp:tau', preset: tau_small}", {"translator": "tau", "hid_S": 8}),
        ("{name: simvp, preset: tau_small}", {"translator": "tau", "hid_S": 8}),
        ("{translator: tau, preset: small}", {"translator": "tau", "hid_S": 8}),
        ("{translator: inception, preset: small}", {"translator": "inception", "hid_S": 7}),
    ],
)
def test_a_variant_has_published_settings_of_its_own(tmp_path, monkeypatch, model, settings):
    write(tmp_path / "presets/model/simvp/small.yaml", "model: {hid_S: 7}\n")
    write(tmp_path / "presets/model/simvp/tau_small.yaml", "model: {translator: tau, hid_S: 8}\n")
    monkeypatch.setattr(presets_module, "presets_folder", lambda: tmp_path / "presets")
    assert model_presets("simvp:tau") == ["small"]
    path = write(tmp_path / "x.yaml", f"model: {model}\n")
    assert load_experiment(path).experiment.model.settings == settings
    with pytest.raises(ConfigError, match=r"no presets for the model simvp:tao; did you mean simv"):
        load_experiment(path, ["model.name=simvp:tao"])
    words = "no preset large of simvp:tau; there are small"
    warnings.simplefilter("ignore", StForecastWarning)  # of settings that are left out
    with pytest.raises(ConfigError, match=words):
        load_experiment(path, ["model.name=simvp:tau", "model.preset=large"], carry=carried_over)


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b/c", "a-b-c"), ("...", "experiment"), ("ü1", "ü1"), ("x" * 200, "x" * 100)],
)
def test_safe_name(text, name):
    assert safe_name(text) == name
    Experiment(name=name)
