"""Where cells are drawn: projections, edges, the seam."""

import cartopy.crs as ccrs
import numpy as np
import pytest

from stforecast.errors import MapError
from stforecast.maps.edges import around, corners, edge_line
from stforecast.maps.placement import place
from stforecast.product.place import grid_of
from tests.maps.conftest import geographic

TIMES = ("init_time", "lead_time")


def placed(forecast, projection=None):
    name = next(iter(forecast.data_vars))
    return place(grid_of(forecast, name, TIMES), projection)


def test_edges_are_between_the_centres_or_the_bounds():
    np.testing.assert_allclose(edge_line(np.array([1.0, 2, 4]), None, None), [0.5, 1.5, 3, 5])
    bounds = np.array([[0.0, 1.5], [1.5, 2.5], [2.5, 5]])
    np.testing.assert_allclose(edge_line(np.array([1.0, 2, 4]), bounds, None), [0, 1.5, 2.5, 5])
    down = edge_line(np.array([4.0, 2, 1]), bounds[::-1], None)
    np.testing.assert_allclose(down, [5, 2.5, 1.5, 0])
    gaps = np.array([[0.9, 1.1], [1.9, 2.1], [3.9, 4.1]])
    np.testing.assert_allclose(edge_line(np.array([1.0, 2, 4]), gaps, None), [0.5, 1.5, 3, 5])


def test_edges_of_longitudes_go_on_across_the_seam():
    line = edge_line(np.array([170.0, 175, -180, -175]), None, 360.0)
    np.testing.assert_allclose(line, [167.5, 172.5, 177.5, 182.5, 187.5])
    bounds = np.array([[167.5, 172.5], [172.5, 177.5], [177.5, -177.5], [-177.5, -172.5]])
    line = edge_line(np.array([170.0, 175, -180, -175]), bounds, 360.0)
    np.testing.assert_allclose(line, [167.5, 172.5, 177.5, 182.5, 187.5])


def test_the_column_at_the_seam_is_cut_in_two():
    edges, columns = around(edge_line(np.arange(0, 360, 60.0), None, 360.0), 0.0)
    np.testing.assert_allclose(edges, [-180, -150, -90, -30, 30, 90, 150, 180])
    np.testing.assert_array_equal(columns, [3, 4, 5, 0, 1, 2, 3])


def test_a_region_across_the_seam_of_the_map_leaves_a_gap():
    edges, columns = around(np.array([170.0, 180, 190]), 0.0)
    np.testing.assert_allclose(edges, [-180, -170, 170, 180])
    np.testing.assert_array_equal(columns, [1, -1, 0])


def test_corners_of_cells_by_their_centres():
    lat, lon = np.meshgrid(np.arange(-2.0, 3), np.arange(177.0, 184), indexing="ij")
    lon = (lon + 180) % 360 - 180
    phi, lam = corners(lat, lon)
    assert phi.shape == (6, 8)
    np.testing.assert_allclose(phi[0], -2.5, atol=0.01)
    np.testing.assert_allclose((lam[3] - 176.5) % 360, np.arange(8), atol=0.01)


@pytest.mark.parametrize(
    ("lat", "lon", "kind"),
    [
        (np.arange(-90, 91, 5.0), np.arange(0, 360, 5.0), ccrs.Robinson),
        (np.arange(30, 91, 5.0), np.arange(0, 360, 5.0), ccrs.NorthPolarStereo),
        (np.arange(-90, -29, 5.0), np.arange(0, 360, 5.0), ccrs.SouthPolarStereo),
        (np.arange(-25, 26, 5.0), np.arange(-180, 180, 5.0), ccrs.PlateCarree),
        (np.arange(15, 61, 2.5), np.arange(225, 316, 2.5), ccrs.LambertConformal),
        (np.arange(50, 58.1, 0.5), np.arange(-10, 2.1, 0.5), ccrs.PlateCarree),
        (np.arange(-20, 21, 2.0), np.arange(60, 131, 2.0), ccrs.PlateCarree),
    ],
)
def test_the_projection_suits_the_place(lat, lon, kind):
    assert type(placed(geographic(lat, lon)).projection) is kind


def test_a_region_is_drawn_in_true_proportions(uk):
    place = placed(uk)
    assert place.aspect == pytest.approx(1 / np.cos(np.deg2rad(54)))
    assert place.extent == pytest.approx((-6.25, 6.25, 49.75, 58.25))
    assert place.centre == -4.0
    assert place.resolution(2.5) == "50m"


def test_both_conventions_of_longitude_are_drawn_alike():
    lat = np.arange(-90, 91, 10.0)
    one = placed(geographic(lat, np.arange(0, 360, 10.0)))
    other = placed(geographic(lat, np.arange(-180, 180, 10.0)))
    np.testing.assert_allclose(one.x, other.x, atol=1)
    longitudes = np.arange(0, 360, 10)[one.columns]
    others = np.arange(-180, 180, 10)[other.columns]
    np.testing.assert_array_equal((longitudes - others) % 360, 0)
    assert one.extent is None
    assert one.x.min() == pytest.approx(one.projection.x_limits[0], rel=2e-3)
    assert one.x.max() == pytest.approx(one.projection.x_limits[1], rel=2e-3)
    assert (np.diff(one.x, axis=1) > 0).all()
    assert one.resolution(5.0) == "110m"


def test_a_region_across_the_dateline_is_in_one_piece():
    place = placed(geographic(np.arange(-45, 21, 5.0), np.arange(140, 231, 5.0)))
    assert (place.columns >= 0).all()
    assert (np.diff(place.x, axis=1) > 0).all()
    assert place.centre == pytest.approx(-175.0)


def test_a_city_gets_no_coastlines(city, uk):
    assert placed(city).is_city
    assert not placed(uk).is_city


def test_a_projected_grid_is_drawn_on_its_own_plane_in_metres(projected):
    place = placed(projected)
    assert place.extent == pytest.approx((-425e3, 425e3, -325e3, 325e3))
    points = ccrs.PlateCarree().transform_point(0.0, 0.0, place.projection)
    assert points == pytest.approx((8.0, 50.0), abs=1e-6)
    assert place.region[0] < 8 < place.region[1]


def test_a_rotated_pole_is_drawn_with_straight_rows(rotated):
    place = placed(rotated)
    assert isinstance(place.projection, ccrs.RotatedPole)
    np.testing.assert_allclose(place.x[0], np.arange(-22, 23, 4.0))
    centre = ccrs.PlateCarree().transform_point(0.0, 0.0, place.projection)
    assert centre == pytest.approx((18.0, 50.75), abs=1e-6)


def test_cells_by_latitude_and_longitude(curvilinear):
    place = placed(curvilinear)
    assert isinstance(place.projection, ccrs.LambertAzimuthalEqualArea)
    assert np.isfinite(place.x).all()
    assert np.ptp(place.x) < 6e6  # the seam tears nothing apart


def test_a_grid_without_a_place_shows_its_cells(bare):
    place = placed(bare)
    assert place.projection is None
    assert place.extent == (-0.5, 8.5, 5.5, -0.5)
    with pytest.raises(MapError, match=r"data\.grid"):
        placed(bare, "Robinson")


def test_projections_by_name(uk, globe):
    assert isinstance(placed(uk, "Mercator").projection, ccrs.Mercator)
    assert isinstance(placed(uk, "mollweide").projection, ccrs.Mollweide)
    ortho = placed(globe, "Orthographic")
    assert np.isnan(ortho.x).any()
    with pytest.raises(MapError, match="did you mean Robinson"):
        placed(uk, "Robinsen")
    with pytest.raises(MapError, match="UTM needs parameters"):
        placed(uk, "UTM")
