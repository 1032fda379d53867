"""Pictures by their structure: panels, titles, colour scales, and never the network."""

import json
import socket
import subprocess
import sys

import cartopy.crs as ccrs
import numpy as np
import pytest
import xarray as xr
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.collections import LineCollection, QuadMesh

from stforecast.errors import DataError, MapError, StForecastError, StForecastWarning
from stforecast.maps import map_figure, plot
from stforecast.maps.geography import FOLDER
from tests.maps.conftest import INIT, analysis, make_forecast


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Any try to reach another machine fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError("a map reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def panels(figure):
    return [ax for ax in figure.axes if ax.get_label() != "colours"]


def bars(figure):
    return [ax for ax in figure.axes if ax.get_label() == "colours"]


def mesh(ax):
    """The cells with values, the topmost mesh."""
    found = [item for item in ax.collections if isinstance(item, QuadMesh)]
    return max(found, key=lambda item: item.get_zorder())


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_a_panel_for_each_lead_time(uk):
    figure = map_figure(uk, lead_time=["6h", "24h"])
    assert len(panels(figure)) == 2
    assert len(bars(figure)) == 1
    assert {"+6 h", "+24 h", "2020-03-01 18:00", "2020-03-02 12:00"} <= set(texts(figure))
    assert "2 metre temperature (t2m)" in texts(figure)
    assert "Initial time 2020-03-01 12:00 UTC" in texts(figure)
    assert bars(figure)[0].get_ylabel() == "K"
    values = mesh(panels(figure)[1]).get_array()
    np.testing.assert_array_equal(values.data.ravel(), uk["t2m"].values[1, 3].ravel())


def test_observation_and_error_stand_below(uk):
    figure = map_figure(uk, lead_time=["6h", "24h"], observed=analysis(uk))
    assert [ax.get_label() for ax in panels(figure)] == [
        *("forecast 0", "observation 0", "error 0", "forecast 1", "observation 1", "error 1")
    ]
    assert "Initial time 2020-03-01 00:00 UTC" in texts(figure)  # the last one that was observed
    limits = {ax.get_label().split()[0]: mesh(ax).get_clim() for ax in panels(figure)}
    assert limits["forecast"] == limits["observation"]
    assert limits["error"][0] == -limits["error"][1]
    assert len({mesh(ax).get_clim() for ax in panels(figure) if "error" not in ax.get_label()}) == 1
    np.testing.assert_allclose(mesh(panels(figure)[2]).get_array(), 1, atol=1e-4)
    assert {"Forecast", "Observation", "Error"} <= set(texts(figure))
    assert "RMSE 1.00   bias +1.00 K" in texts(figure)
    assert len(bars(figure)) == 2


def test_errors_over_narrow_panels_leave_the_unit_to_the_colour_bar(uk):
    narrow = uk.isel(lon=slice(0, 8))
    figure = map_figure(narrow, lead_time=["6h", "24h"], observed=analysis(narrow))
    assert "RMSE 1.00   bias +1.00" in texts(figure)
    assert {bar.get_ylabel() for bar in bars(figure)} == {"K"}


def test_labels_and_panels_lie_within_the_picture_and_apart(uk, city, globe, projected):
    for forecast in (uk, city, globe, projected):
        name = next(iter(forecast.data_vars))
        figure = map_figure(forecast, name, observed=analysis(forecast, name))
        figure.draw_without_rendering()
        whole = figure.bbox
        renderer = figure.canvas.get_renderer()
        for text in figure.texts:
            box = text.get_window_extent(renderer)
            assert whole.x0 <= box.x0, text
            assert box.x1 <= whole.x1, text
            assert box.y1 <= whole.y1, text
        for ax in figure.axes:
            box = ax.get_tightbbox(renderer)
            assert box.x0 >= whole.x0 - 1, (name, ax)
            assert box.x1 <= whole.x1 + 1, (name, ax)
            assert box.y0 >= whole.y0 - 1, (name, ax)
        titles = [text.get_window_extent(renderer) for text in figure.texts[2:]]
        for at, one in enumerate(titles):
            assert not any(one.overlaps(other) for other in titles[at + 1 :])


def test_without_observations_of_these_times_the_forecast_stands_alone(uk):
    observed = analysis(uk)
    with pytest.warns(StForecastWarning, match="stands alone"):
        figure = map_figure(uk, observed=observed, init_time=1, lead_time="24h")
    assert len(panels(figure)) == 1


def test_of_members_their_mean_is_drawn_and_called_so(uk):
    members = xr.concat([uk - 1.0, uk + 1.0, uk], "member", compat="override", coords="minimal")
    figure = map_figure(members.assign_attrs(uk.attrs), lead_time="6h")
    assert "Initial time 2020-03-01 12:00 UTC, mean of 3 members" in texts(figure)


def test_many_lead_times_go_on_below(uk):
    longer = np.arange(1, 8) * np.timedelta64(6, "h").astype("timedelta64[ns]")
    forecast = make_forecast(
        {"lat": uk["lat"], "lon": uk["lon"]}, ("lat", "lon"), (17, 25), leads=longer
    )
    assert len(panels(map_figure(forecast))) == 4
    figure = map_figure(forecast, lead_time=[1, 2, 3, 4, 5, 6, 7])
    tops = {round(ax.get_position().y1, 4) for ax in panels(figure)}
    assert (len(panels(figure)), len(tops), len(bars(figure))) == (7, 2, 2)


def test_missing_cells_are_grey_and_explained(uk):
    holed = uk.copy(deep=True)
    holed["t2m"][..., 3, 4] = np.nan
    figure = map_figure(holed, lead_time=1)
    meshes = [item for item in panels(figure)[0].collections if isinstance(item, QuadMesh)]
    assert len(meshes) == 2
    below = min(meshes, key=lambda item: item.get_zorder())
    assert (~np.ma.getmaskarray(below.get_array())).sum() == 1
    assert below.cmap(0.0)[:3] == pytest.approx((0.82, 0.82, 0.82), abs=0.01)
    assert "no data" in texts(figure)
    assert "no data" not in texts(map_figure(uk, lead_time=1))


@pytest.mark.parametrize(
    "name", ["uk", "globe", "city", "projected", "rotated", "curvilinear", "bare"]
)
def test_every_kind_of_grid_is_drawn_offline_and_without_warnings(name, request, tmp_path):
    forecast = request.getfixturevalue(name)
    variable = next(iter(forecast.data_vars))
    (path,) = plot(forecast, tmp_path, observed=analysis(forecast, variable), lead_time=[1, 4])
    assert path.name == f"{variable}_20200301T0000.png"
    assert path.stat().st_size > 10_000
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    figure = map_figure(forecast, lead_time=1)
    (ax,) = panels(figure)
    assert isinstance(ax, GeoAxes) == (name != "bare")
    lines = [item for item in ax.collections if isinstance(item, LineCollection)]
    has_coast = any(len(item.get_segments()) > 0 for item in lines)
    assert has_coast == (name not in ("city", "bare"))


def test_a_city_has_a_scale_bar_and_a_graticule(city):
    (ax,) = panels(map_figure(city, lead_time=1))
    assert "2 km" in [text.get_text() for text in ax.texts]
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert "74.00°W" in labels or "73.98°W" in labels or "73.95°W" in labels
    assert ax.get_ylabel() == ""
    bar = bars(map_figure(city, lead_time=1))[0]
    assert bar.get_ylabel() in ("", "(square-root scale)")


def test_overlays_are_drawn(uk, bare, tmp_path):
    path = tmp_path / "a.geojson"
    line = [[-4.0, 52.0], [-3.0, 53.0], [-2.0, 52.0]]
    path.write_text(json.dumps({"type": "LineString", "coordinates": line}))
    (ax,) = panels(map_figure(uk, lead_time=1, overlay=path))
    top = max(
        (item for item in ax.collections if isinstance(item, LineCollection)),
        key=lambda item: item.get_zorder(),
    )
    drawn = np.concatenate(top.get_segments())
    np.testing.assert_allclose(drawn[[0, -1]], [[0.0, 52.0], [2.0, 52.0]], atol=1e-6)
    with pytest.raises(MapError, match="no coordinates"):
        map_figure(bare, lead_time=1, overlay=path)


def test_projection_and_colours_can_be_chosen(uk):
    figure = map_figure(uk, lead_time=1, projection="Mercator", cmap="cividis")
    (ax,) = panels(figure)
    assert isinstance(ax.projection, ccrs.Mercator)
    assert mesh(ax).cmap.name == "cividis"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variable": "t2n"}, "did you mean t2m"),
        ({"lead_time": "5h"}, r"no lead time 5h; it has \+6 h"),
        ({"lead_time": 9}, "no lead time 9"),
        ({"lead_time": "soon"}, "not a duration"),
        ({"lead_time": "1Y"}, "no lead time 1Y"),
        ({"init_time": "2021-01-01"}, "no initial time 2021-01-01; it has 2"),
        ({"init_time": "2020-03"}, "2 initial times in 2020-03"),
        ({"init_time": 5}, "none of number 5"),
    ],
)
def test_what_is_not_there_is_said(uk, options, words):
    with pytest.raises(DataError, match=words):
        map_figure(uk, **options)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("2020-03-01T12", 1),
        ("2020-03-01 12:00", 1),
        ("2020-03-01T12:00:00", 1),
        ("2020-03-01", 0),
        (INIT[1], 1),
        (-1, 1),
        (None, 1),
    ],
)
def test_initial_times_as_people_write_them(uk, given, number):
    figure = map_figure(uk, lead_time=1, init_time=given)
    assert figure.init_text == ["20200301T0000", "20200301T1200"][number]


def test_calendar_steps(uk):
    import cftime

    inits = [cftime.datetime(year, 6, 1, calendar="360_day") for year in (2060, 2061)]
    valid = np.array(
        [[cftime.datetime(2060 + i + k, 6, 1, calendar="360_day") for k in (1, 2)] for i in (0, 1)]
    )
    forecast = uk.isel(lead_time=[0, 1]).drop_vars("valid_time")
    forecast = forecast.assign_coords(
        init_time=inits, lead_time=[1, 2], valid_time=(("init_time", "lead_time"), valid)
    )
    figure = map_figure(forecast, lead_time=["1Y", 2])
    assert {"+1 year", "2062", "+2 years", "2063", "Initial time 2061"} <= set(texts(figure))


def test_several_variables_each_get_a_file(uk, tmp_path):
    both = uk.assign(tp=uk["t2m"].assign_attrs(units="mm", long_name="rain"))
    with pytest.raises(MapError, match="t2m, tp; say which"):
        map_figure(both)
    paths = plot(both, folder=tmp_path / "maps", lead_time=1)
    assert [path.name for path in paths] == ["t2m_20200301T1200.png", "tp_20200301T1200.png"]
    with pytest.raises(MapError, match="no variable 'x'"):
        plot(both, tmp_path, variables=["x"])
    (tmp_path / "file").write_text("")
    with pytest.raises(StForecastError, match="cannot write the map"):
        plot(uk, tmp_path / "file" / "deeper", lead_time=1)


def test_notebooks_show_figures_whatever_their_backend(uk):
    import stforecast.maps.accessor  # noqa: F401

    figure = uk.stforecast.map("t2m", lead_time=["6h"])
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_the_accessor_draws_files(uk, tmp_path):
    import stforecast.maps.accessor  # noqa: F401

    (path,) = uk.stforecast.plot(tmp_path, lead_time="6h")
    assert path.exists()


def test_the_accessor_loads_no_graphics():
    code = (
        "import sys, stforecast.maps.accessor; "
        "heavy = {'matplotlib', 'cartopy', 'torch', 'scores'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_carries_its_geography_and_licences():
    for resolution in ("110m", "50m"):
        for part in ("physical/ne_{}_coastline", "cultural/ne_{}_admin_0_boundary_lines_land"):
            stem = FOLDER / "shapefiles" / "natural_earth" / part.format(resolution)
            for suffix in (".shp", ".shx", ".dbf", ".prj"):
                assert stem.with_suffix(suffix).is_file()
    assert "Permission to use" in (FOLDER / "LICENSE.world-atlas").read_text()
    assert "public domain" in (FOLDER / "README.md").read_text()
