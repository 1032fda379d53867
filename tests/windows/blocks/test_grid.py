"""Blocks cover a record, and a sample needs those that hold its frames."""

import numpy as np
import pytest

from stforecast.store import TensorStore, write_store
from stforecast.windows import WindowSpec
from stforecast.windows.blocks.grid import IN_READING, BlockGrid, spans_of, whole_chunks
from stforecast.windows.lags import lag_positions
from tests.helpers import make_store


@pytest.mark.parametrize("grid", [BlockGrid(23, 1, 5), BlockGrid(7, 11, 7, 4), BlockGrid(9, 3, 4)])
def test_every_frame_lies_in_one_block(grid: BlockGrid) -> None:
    sequences, times = np.indices((grid.sequences, grid.times)).reshape(2, -1)
    blocks, within = grid.block(sequences, times), grid.within(sequences, times)
    assert set(blocks.tolist()) == set(range(len(grid)))
    assert len(set(zip(blocks.tolist(), within.tolist(), strict=True))) == len(times)
    assert within.max() < grid.frames
    for block in range(len(grid)):
        held, steps = grid.bounds(block)
        inside = np.isin(sequences, held) & np.isin(times, steps)
        np.testing.assert_array_equal(inside, blocks == block)


@pytest.mark.parametrize("lags", [(), (3,), (2, 24), (40,)])
def test_a_sample_needs_the_blocks_of_its_frames(lags: tuple[int, ...]) -> None:
    spec = WindowSpec(4, 3, lags=lags)
    grid = BlockGrid(200, 2, 6)
    samples = np.array([(row, init) for row in range(2) for init in range(60, 190, 7)])
    needed = grid.needed(samples, spans_of(spec))
    for (sequence, init), blocks in zip(samples.tolist(), needed, strict=True):
        frames = [*range(init - 3, init + 4)]
        if lags:
            frames += lag_positions(spec, np.array([init])).ravel().tolist()
        assert set(grid.block(sequence, frames).tolist()) <= set(blocks.tolist())
        assert set(blocks.tolist()) <= set(
            grid.block(sequence, [*range(min(frames), init + 4)]).tolist()
        )


def test_spans() -> None:
    assert spans_of(WindowSpec(4, 3)) == [(-3, 3)]
    assert spans_of(WindowSpec(4, 3), target=False) == [(-3, 0)]
    assert spans_of(WindowSpec(4, 3, lags=(24, 168))) == [(-3, 3), (-27, -21), (-171, -165)]
    assert spans_of(WindowSpec(4, 3, lags=(3,))) == [(-6, 3)]


def test_blocks_are_whole_chunks(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert whole_chunks(make_store(40, 2, 6, 8)) == BlockGrid(40, 1, 40)
    big = make_store(40, 1, 300, 300)  # a frame of 360 kB
    assert whole_chunks(big).steps == 2
    path = tmp_path_factory.mktemp("grid") / "store.zarr"
    write_store(big.dataset, path)
    stored = whole_chunks(TensorStore.open(path))
    assert stored.steps % TensorStore.open(path).dataset["data"].encoding["chunks"][0] == 0
    lazy = TensorStore(big.dataset.chunk(time=7))
    assert whole_chunks(lazy).steps == 7
    videos = whole_chunks(make_store(10, sequences=500))
    assert (videos.steps, videos.group) == (10, 500)


def test_room_is_what_is_left_beside_the_blocks_in_reading() -> None:
    grid = BlockGrid(100, 1, 10)
    assert grid.slots(100, 50_000, 0) == 50
    assert grid.slots(100, 50_000, 2) == 50 - 2 * IN_READING
    assert grid.slots(100, 1_000, 2) == 0
