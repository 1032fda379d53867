"""GeoJSON and shapefiles of the user's own."""

import json

import numpy as np
import pyproj
import pytest
import shapefile

from stforecast.errors import DataError, MapError
from stforecast.maps.overlay import read_overlay

SQUARE = [[-4.0, 52.0], [-2.0, 52.0], [-2.0, 54.0], [-4.0, 54.0], [-4.0, 52.0]]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def polygon(ring):
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda geometry: geometry,
        lambda geometry: {"type": "Feature", "properties": {}, "geometry": geometry},
        lambda geometry: {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": None, "geometry": geometry},
                {"type": "Feature", "properties": None, "geometry": None},
            ],
        },
        lambda geometry: {"type": "GeometryCollection", "geometries": [geometry]},
    ],
)
def test_geojson_of_every_make(tmp_path, wrap):
    (found,) = read_overlay(write(tmp_path / "a.geojson", wrap(polygon(SQUARE))))
    assert found.bounds == (-4, 52, -2, 54)


def test_heights_are_dropped(tmp_path):
    line = {"type": "LineString", "coordinates": [[0, 50, 7], [1, 51, 8]]}
    (found,) = read_overlay(write(tmp_path / "a.json", line))
    assert not found.has_z


def test_geojson_of_another_crs(tmp_path):
    to_web = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    ring = [list(to_web.transform(*point)) for point in SQUARE]
    content = polygon(ring) | {
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    }
    (found,) = read_overlay(write(tmp_path / "a.geojson", content))
    np.testing.assert_allclose(found.bounds, (-4, 52, -2, 54), atol=1e-6)


def make_shapefile(path, ring, crs=None):
    with shapefile.Writer(str(path)) as writer:
        writer.field("name", "C")
        writer.poly([ring[::-1]])  # outer rings go clockwise
        writer.record("a")
    if crs is not None:
        path.with_suffix(".prj").write_text(pyproj.CRS.from_user_input(crs).to_wkt("WKT1_ESRI"))
    return path


def test_shapefile_with_its_projection(tmp_path):
    to_utm = pyproj.Transformer.from_crs(4326, 32630, always_xy=True)
    ring = [list(to_utm.transform(*point)) for point in SQUARE]
    (found,) = read_overlay(make_shapefile(tmp_path / "a.shp", ring, 32630))
    np.testing.assert_allclose(found.bounds, (-4, 52, -2, 54), atol=1e-3)
    (tmp_path / "a.prj").unlink()
    with pytest.raises(MapError, match=r"no \.prj"):
        read_overlay(tmp_path / "a.shp")


def test_shapefile_in_degrees_needs_no_projection(tmp_path):
    (found,) = read_overlay(make_shapefile(tmp_path / "a.shp", SQUARE))
    assert found.bounds == (-4, 52, -2, 54)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.geojson", None, "there is no overlay"),
        ("a.geojson", "{", "cannot be read as GeoJSON"),
        ("a.geojson", "[1, 2]", "not GeoJSON"),
        ("a.geojson", '{"type": "Topology"}', "not GeoJSON"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "has no geometries"),
        ("a.kml", "<kml/>", "neither GeoJSON"),
        ("a.shp", "nonsense", "cannot be read"),
    ],
)
def test_broken_overlays_are_one_sentence(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        write(path, content)
    with pytest.raises(MapError, match=words) as caught:
        read_overlay(path)
    assert isinstance(caught.value, DataError)
    assert "\n" not in str(caught.value)


def test_an_unknown_projection_file(tmp_path):
    path = make_shapefile(tmp_path / "a.shp", SQUARE)
    path.with_suffix(".prj").write_text("nonsense")
    with pytest.raises(MapError, match="PROJ knows"):
        read_overlay(path)
