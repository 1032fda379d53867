"""Folders of images become sequences: in order, of one size and length, in [0, 1]."""

import numpy as np
import pytest
from PIL import Image

from stforecast import names
from stforecast.errors import DataError
from stforecast.ingest import ingest, prepare
from stforecast.options import DataOptions
from stforecast.sources import find_source, open_source
from stforecast.sources.files import natural_order
from stforecast.store import TensorStore


def write(folder, frames, name="frame_{}.png"):
    """One image for each of the frames (n, y, x[, 3])."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number + 1))
    return folder


def make(count, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def options(**frames):
    return DataOptions(reader="frames", frames=frames)


@pytest.fixture
def people(tmp_path):
    """Three sequences of 12, 12 and 9 frames."""
    root = tmp_path / "people"
    for seed, (name, count) in enumerate({"p10": 9, "p1": 12, "p2": 12}.items()):
        write(root / name, make(count, 5, 6, 3, seed=seed))
    return root


def test_numbers_in_names_are_numbers(people, tmp_path):
    dataset = open_source([people])
    assert dataset.sequence.values.tolist() == ["p1", "p2", "p10"]
    assert dict(dataset.sizes) == {"sequence": 3, "time": 9, "y": 5, "x": 6}
    expected = make(12, 5, 6, 3, seed=1)[:9] / 255
    found = np.stack([dataset[name].values[0] for name in ("red", "green", "blue")], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    paths = sorted(
        (tmp_path / name for name in ("a10", "a2", "b", "2", "a2b", "a")), key=natural_order
    )
    assert [path.name for path in paths] == ["2", "a", "a2", "a2b", "a10", "b"]


def test_folders_come_in_the_order_given(people):
    given = [people / "p10", people / "p1"]
    assert open_source(given).sequence.values.tolist() == ["p10", "p1"]
    assert open_source([str(people / "p*")]).sequence.values.tolist() == ["p1", "p2", "p10"]
    (only,) = open_source([people / "p2"]).sequence.values
    assert only == "p2"


def test_folders_of_folders(tmp_path):
    for name in ("walking/person2/day1", "walking/person10/day1", "boxing/person2/day1"):
        write(tmp_path / "kth" / name, make(3, 4, 4))
    (tmp_path / "kth" / "walking" / "readme.txt").write_text("no image")
    assert find_source([tmp_path / "kth"]) == "frames"
    assert open_source([tmp_path / "kth"]).sequence.values.tolist() == [
        "boxing/person2/day1",
        "walking/person2/day1",
        "walking/person10/day1",
    ]


def test_lengths_are_made_equal_and_it_is_told(people):
    notes = open_source([people]).encoding[names.SOURCE_NOTES]
    assert len(notes) == 1
    assert notes[0].startswith("2 of 3 sequences are cut to the 9 frames of the shortest")
    longer = open_source([people], options(length=10))
    assert longer.sequence.values.tolist() == ["p1", "p2"]
    assert longer.sizes["time"] == 10
    assert longer.encoding[names.SOURCE_NOTES] == [
        f"of 3 sequences 1 with fewer than 10 frames left out: {people / 'p10'}"
    ]
    with pytest.raises(DataError, match=r"no sequence has the 13 frames .*p1, has 12"):
        open_source([people], options(length=13))


def test_grey_and_colour(tmp_path):
    colours = make(2, 4, 4, 3)
    write(tmp_path / "colour", colours)
    grey = open_source([tmp_path / "colour"], options(colour=False))
    assert list(grey.data_vars) == ["intensity"]
    weighed = (colours @ [0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(grey.intensity.values[0], weighed, atol=1 / 255)
    write(tmp_path / "grey", make(2, 4, 4))
    three = open_source([tmp_path / "grey"], options(colour=True))
    np.testing.assert_array_equal(three.red.values, three.blue.values)
    assert list(open_source([tmp_path / "grey"]).data_vars) == ["intensity"]


def test_kinds_of_images(tmp_path):
    deep = np.array([[0, 65535], [32768, 1]], np.uint16)
    write(tmp_path / "deep", np.stack([deep, deep]))
    np.testing.assert_allclose(
        open_source([tmp_path / "deep"]).intensity.values[0, 0], deep / 65535, rtol=1e-6
    )
    resized = open_source([tmp_path / "deep"], options(resize={"height": 1, "width": 1}))
    assert resized.intensity.values[0, 0, 0, 0] == pytest.approx(deep.mean() / 65535, abs=1e-4)
    flat = np.full((2, 8, 8, 3), 200, np.uint8)
    for suffix in ("jpg", "bmp", "webp", "tif"):
        write(tmp_path / suffix, flat, "{}." + suffix)
        found = open_source([tmp_path / suffix]).red.values
        np.testing.assert_allclose(found, 200 / 255, atol=2 / 255, err_msg=suffix)
    clear = np.concatenate([flat, np.zeros((2, 8, 8, 1), np.uint8)], axis=-1)
    write(tmp_path / "clear", clear)
    np.testing.assert_allclose(open_source([tmp_path / "clear"]).red.values, 200 / 255, rtol=1e-6)
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "clear" / "frame_2.tif")
    (tmp_path / "clear" / "frame_2.png").unlink()
    with pytest.raises(DataError, match=r"frame_2\.tif holds floating-point numbers"):
        open_source([tmp_path / "clear"], options(resize={"height": 8, "width": 8})).load()


def test_resizing_averages(tmp_path):
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    write(tmp_path / "checks", np.stack([checks, checks]))
    small = open_source([tmp_path / "checks"], options(resize={"height": 8, "width": 16}))
    assert small.intensity.shape == (1, 2, 8, 16)
    np.testing.assert_allclose(small.intensity.values, 0.5, atol=0.02)


def test_an_image_of_another_size_is_named(people):
    odd = people / "p2" / "frame_7.png"
    Image.fromarray(make(1, 4, 6, 3)[0]).save(odd)
    dataset = open_source([people])
    with pytest.raises(DataError) as caught:
        dataset.load()
    first = people / "p1" / "frame_1.png"
    assert str(caught.value) == (
        f"{odd} has 4 x 6 pixels and {first} 5 x 6; bring all to one size with data.frames.resize"
    )
    resized = open_source([people], options(resize={"height": 5, "width": 6})).load()
    assert resized.red.shape == (3, 9, 5, 6)


def test_a_broken_image_is_named_when_it_is_reached(people, tmp_path):
    bad = people / "p2" / "frame_7.png"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(DataError) as caught:
        ingest([str(people)], tmp_path / "s.zarr", options())
    assert str(caught.value).startswith(f"{bad} is broken or no image")
    assert not (tmp_path / "s.zarr").exists()
    # frames that are not taken are not read
    write(people / "p2", make(6, 5, 6, 3))
    ingest([str(people)], tmp_path / "s.zarr", options(length=6))


def test_each_image_is_read_once(people, tmp_path, monkeypatch):
    from stforecast.sources import frames

    read = []

    def counted(path, *arguments):
        read.append(path)
        return original(path, *arguments)

    original = frames.read_image
    monkeypatch.setattr(frames, "read_image", counted)
    ingest([str(people)], tmp_path / "s.zarr", options())
    # three more frames are looked at, for the precision of their numbers
    assert len(read) <= 3 * 9 + 3 * 3
    assert len(set(read)) == 3 * 9


def test_the_way_to_the_store(people, tmp_path):
    findings = ingest([str(people)], tmp_path / "s.zarr", options())
    store = TensorStore.open(tmp_path / "s.zarr")
    assert store.channels == ["red", "green", "blue"]
    assert store.meta.sequence_name == "sequence"
    assert store.dataset["sequence"].values.tolist() == ["p1", "p2", "p10"]
    assert findings.mapping["sequences"] == "3"
    source = open_source([people])
    np.testing.assert_array_equal(store.read(0, 9, 2)[:, 1], source.green.values[2])
    assert [item["path"] for item in store.meta.sources] == [str(people)]


def test_frames_may_have_a_step_of_their_own(people):
    given = options().model_copy(update={"time_step": "10min"})
    assert prepare(open_source([people], given), given).store().axis.step.text == "10min"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({}, r"is a folder; name the files in it, .* \(of folders only Zarr stores and images"),
        ({"one": 1}, "holds a single image, which is no sequence"),
    ],
)
def test_folders_that_do_not_do(tmp_path, made, words):
    root = tmp_path / "root"
    root.mkdir()
    for name, count in made.items():
        write(root / name, make(count, 4, 4))
    with pytest.raises(DataError, match=words):
        open_source([root], options())


def test_a_file_is_no_folder(people):
    image = people / "p1" / "frame_1.png"
    with pytest.raises(DataError, match="is no folder of images; name one for each sequence"):
        open_source([image], options())
    with pytest.raises(DataError, match="is an image; name the folder of its sequence"):
        open_source([image])
