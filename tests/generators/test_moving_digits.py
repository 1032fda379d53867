"""Sequences of moving digits: the same to the bit, and moving as Moving MNIST does."""

import hashlib

import numpy as np
import pytest

from stforecast.errors import StoreError
from stforecast.generators import MovingDigits, restore
from stforecast.generators.moving_digits import STEP, shuffled
from tests.videos import make_digits

ROOM = 64 - 8


def make(digits: int = 2, **options: int) -> MovingDigits:
    chosen = {"frames": 20, "size": 64, "seed": 0, **options}
    return MovingDigits(make_digits(50), digits=digits, **chosen)


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


CHECKSUMS = {
    (0, 0): "c0e1a7a422df3b57",
    (0, 1): "820be96fa28cb598",
    (0, 9999): "9a1ec2686de6a5a0",
    (3, 0): "59b23b5a8ed81c4e",
}


@pytest.mark.parametrize(("seed", "number"), CHECKSUMS)
def test_a_sequence_is_the_same_to_the_bit_on_every_machine(seed, number):
    video = make(seed=seed).draw([number])
    assert video.shape == (1, 20, 1, 64, 64)
    assert video.dtype == np.float32
    assert digest(video) == CHECKSUMS[seed, number]


def test_a_sequence_hangs_on_its_number_alone():
    together = make().draw([7, 3, 10**12])
    for place, number in enumerate((7, 3, 10**12)):
        np.testing.assert_array_equal(together[place], make().draw(number)[0])
    others = [make(seed=1), make(stream=1)]
    for other in others:
        assert not np.array_equal(other.draw([7])[0], together[0])


def corners(generator: MovingDigits, numbers: range) -> np.ndarray:
    """Upper left corners (sequence, digit, frame, 2)."""
    return np.array([generator._paths(number)[1] for number in numbers])


def test_digits_stay_inside_and_bounce():
    paths = corners(make(), range(200))
    assert paths.min() == 0
    assert paths.max() == ROOM
    steps = np.diff(paths, axis=2)
    turned = (np.sign(steps[:, :, 1:]) * np.sign(steps[:, :, :-1])) < 0
    touched = (paths == 0) | (paths == ROOM)
    # nobody turns round but at an edge, to the rounding of corners to pixels
    assert touched[:, :, 1:-1][turned & (np.abs(steps[:, :, 1:]) > 1)].all()
    assert turned.any()


def test_each_step_is_a_tenth_of_the_room_in_any_direction():
    paths = corners(make(), range(400)).astype(float)
    steps = np.diff(paths, axis=2)
    free = ((paths[:, :, 1:] > 0) & (paths[:, :, 1:] < ROOM)).all(axis=-1)
    free &= ((paths[:, :, :-1] > 0) & (paths[:, :, :-1] < ROOM)).all(axis=-1)
    lengths = np.hypot(*np.moveaxis(steps[free], -1, 0))
    assert lengths.mean() == pytest.approx(STEP * ROOM, rel=0.01)
    assert np.abs(lengths - STEP * ROOM).max() < np.sqrt(2)
    first = steps[:, :, 0].reshape(-1, 2)
    angles = np.arctan2(first[:, 0], first[:, 1])
    shares = np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0] / len(angles)
    assert shares.min() > 0.08
    assert shares.max() < 0.17


def test_the_brighter_digit_shows_where_two_overlap():
    generator = make(digits=3)
    which, paths = generator._paths(5)
    frame = np.zeros((64, 64), np.uint8)
    for image, path in zip(generator.images[which], paths, strict=True):
        top, left = path[4]
        part = frame[top : top + 8, left : left + 8]
        part[...] = np.maximum(part, image)
    np.testing.assert_array_equal(generator.draw([5])[0, 4, 0], np.float32(frame) / np.float32(255))


def test_every_digit_is_drawn_about_as_often():
    generator = make()
    drawn = np.bincount([k for n in range(1000) for k in generator._paths(n)[0]], minlength=50)
    assert drawn.min() > 15
    assert drawn.max() < 75


def test_it_comes_back_from_its_settings():
    generator = make(seed=4, stream=1)
    again = restore(generator.name, generator.settings, {"digits": generator.images}, "a store")
    np.testing.assert_array_equal(again.draw([0, 8]), generator.draw([0, 8]))
    assert again.shape == (20, 1, 64, 64)
    with pytest.raises(StoreError, match="drawn by 'other', which this stforecast does not know"):
        restore("other", {}, {}, "a store")
    with pytest.raises(StoreError, match=r"^a store does not tell how"):
        restore(generator.name, {"frames": 3}, {"digits": generator.images}, "a store")


def test_a_permutation_is_one_and_the_same():
    order = shuffled(10, seed=0, stream=3)
    assert sorted(order) == [*range(10)]
    assert order.tolist() == [8, 0, 7, 3, 4, 9, 6, 1, 2, 5]
    assert shuffled(10, seed=1, stream=3).tolist() != order.tolist()
