"""Data files as an experiment file names them."""

from stforecast.cli.file_names import as_patterns, relative_to


def test_many_files_become_a_pattern_where_it_means_just_them(tmp_path):
    names = [tmp_path / f"{month:02d}.nc" for month in range(12)]
    for name in names:
        name.touch()
    files = [str(name) for name in names]
    assert as_patterns(files) == [str(tmp_path / "*.nc")]
    assert as_patterns(files[:6]) == files[:6]
    assert as_patterns(files[:2]) == files[:2]


def test_files_are_named_from_the_experiment_file(tmp_path):
    names = relative_to(["a.nc", "/x/b.nc", "package:p/c.nc"], tmp_path.relative_to(tmp_path) / "s")
    assert names == ["../a.nc", "/x/b.nc", "package:p/c.nc"]
