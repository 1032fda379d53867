"""A protocol becomes ordinary options, and what it fixes stays fixed."""

import itertools
from pathlib import Path
from typing import Any, get_args

import pytest

from stforecast.config import experiment_of, load_experiment
from stforecast.errors import ConfigError
from stforecast.options.protocols import FIXED, METRICS, ProtocolName, benchmark

NAMES = get_args(ProtocolName)


def made(tree: dict[str, Any], *overrides: str) -> Any:
    return experiment_of({"name": "x", **tree}, overrides, "here")


def test_every_name_has_its_terms() -> None:
    assert {benchmark(name) for name in NAMES} | {"openstl:moving_mnist"} == set(FIXED)
    assert set(METRICS) == set(FIXED)
    for name in NAMES:
        experiment = made({"protocol": name})
        assert experiment.protocol == name
        assert experiment.windows.departure == "none"
        assert experiment.verification.area_weighted is False


def test_deepst_is_visible_in_the_options() -> None:
    experiment = made({"protocol": "deepst"})
    windows, split = experiment.windows, experiment.data.split
    assert (windows.scaling, windows.scale_together) == ("minmax_symmetric", True)
    assert windows.complete_days is True
    assert (split.train, split.validation, split.test) == (None, None, ("last", "28D"))
    assert made({"protocol": "deepst:bikenyc"}).data.split.test == ("last", "10D")
    assert experiment.verification.metrics == ["rmse", "mae", "bias"]


def test_openstl_knows_counts_videos_and_weather() -> None:
    counts = made({"protocol": "openstl"})
    assert counts == made({"protocol": "openstl:taxibj"}).model_copy(update={"protocol": "openstl"})
    assert (counts.windows.scaling, counts.windows.complete_days) == ("minmax", True)
    assert counts.data.split.test == ("last", "500 windows")
    assert counts.verification.ssim_range == 2.0
    assert counts.verification.metrics[3:] == ["mse_per_frame", "mae_per_frame", "ssim", "psnr"]
    for videos in (
        {"data": {"sequence": "video"}},
        {"data": {"reader": "frames"}},
        {"model": {"preset": "moving_mnist"}},
    ):
        video = made({"protocol": "openstl", **videos})
        assert (video.windows.scaling, video.windows.complete_days) == ("none", False)
        assert video.data.split.test is None
        assert video.verification.ssim_range == 2.0
    weather = made({"protocol": "openstl:weather"})
    assert weather.windows.scaling == "standard"
    assert weather.data.split.train == ("2010", "2015")
    assert "mse" in weather.verification.metrics


def test_what_agrees_may_be_said_again() -> None:
    experiment = made(
        {
            "protocol": "deepst",
            "data": {"split": {"test": "last 28D", "validation": "last 7D"}},
            "windows": {"scaling": "minmax_symmetric", "history": 6, "horizon": 1},
            "verification": {"metrics": ["psnr"], "by": ["hour"], "references": ["persistence"]},
        }
    )
    assert experiment.data.split.validation == ("last", "7D")
    assert experiment.windows.history == 6
    assert experiment.verification.metrics == ["psnr", "rmse", "mae"]
    assert experiment.verification.by == ["lead_time", "hour"]
    # as it stands on a card, in full
    assert made(experiment.model_dump(mode="json")) == experiment


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"windows": {"scaling": "standard"}},
            "windows.scaling is standard, but the protocol deepst:taxibj has minmax_symmetric; "
            "leave one of the two out",
        ),
        (
            {"windows": {"complete_days": False}},
            "windows.complete_days is false, but the protocol deepst:taxibj has true",
        ),
        (
            {"data": {"split": {"test": ["2016-03-14", "2016-04-10"]}}},
            "data.split.test is 2016-03-14 to 2016-04-10, but the protocol deepst:taxibj has "
            "last 28D",
        ),
        ({"data": {"split": {"test": "last 10D"}}}, "data.split.test is last 10D, but"),
        ({"windows": {"departure": "last_frame"}}, "windows.departure is last_frame, but"),
        ({"verification": {"every": 24}}, "verification.every is 24, but the protocol"),
    ],
)
def test_a_contradiction_is_an_error(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made({"protocol": "deepst", **options})
    assert f"here: {sentence}" in str(caught.value)


def test_a_contradiction_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("protocol: openstl\nwindows:\n  history: 4\n  scaling: none\n")
    with pytest.raises(ConfigError, match=r"e\.yaml, line 4: windows\.scaling is none"):
        load_experiment(path)
    path.write_text("protocol: openstl\n")
    with pytest.raises(ConfigError, match=r"^--set windows\.scaling=none: windows\.scaling is"):
        load_experiment(path, ["windows.scaling=none"])
    path.write_text("windows: {scaling: none}\n")
    with pytest.raises(ConfigError, match=r"e\.yaml, line 1: windows\.scaling is none"):
        load_experiment(path, ["protocol=deepst"])
    assert load_experiment(path, ["protocol=null"]).experiment.protocol is None


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match=r"protocol is opnstl; .*did you mean openstl\?"):
        made({"protocol": "opnstl"})


@pytest.mark.parametrize(
    ("config", "protocol"),
    [
        *itertools.product(["taxibj"], ["deepst", "openstl", "null"]),
        *itertools.product(["bikenyc"], ["deepst:bikenyc", "null"]),
        ("moving_mnist", "openstl"),
    ],
)
def test_experiments_that_come_along_agree_with_their_protocols(config: str, protocol: str) -> None:
    path = Path(__file__).parents[2] / "configs" / f"{config}.yaml"
    load_experiment(path, [f"protocol={protocol}"])
