"""What a user says of how a store is written."""

import pytest
import zarr
from pydantic import ValidationError

from stforecast import names
from stforecast.options import DataOptions, StorageOptions
from stforecast.options.storage import size_text
from stforecast.store import write_store
from tests.helpers import make_store


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("512 MiB", 2**29), (10**9, 10**9), ("1.5 gb", 15 * 10**8)],
)
def test_sizes(text, size):
    assert StorageOptions(memory_limit=text).memory_limit == size


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memory_limit": "lots"}, "'lots' is no size; write it as 512MB or 2GB"),
        ({"memory_limit": "100MB"}, "memory_limit must be at least 400MB"),
        ({"shard_size": 0}, "greater than 0"),
        ({"codec": "gzip"}, "'zstd', 'lz4', 'zlib' or 'none'"),
        ({"level": 12}, "less than or equal to 9"),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(ValidationError, match=words):
        DataOptions.model_validate({"storage": options})


def test_how_the_store_is_then(tmp_path):
    storage = StorageOptions(codec="lz4", level=7, chunk_steps=6, shard_size=30 * 6 * 8 * 4)
    write_store(make_store(100).dataset, tmp_path / "a.zarr", storage=storage)
    array = zarr.open_group(tmp_path / "a.zarr", mode="r")[names.DATA]
    assert array.chunks == (6, 1, 6, 8)
    assert array.shards == (30, 1, 6, 8)
    blosc, checksum = array.compressors
    assert (blosc.cname.value, blosc.clevel) == ("lz4", 7)
    assert checksum.to_dict()["name"] == "crc32c"


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "999 bytes"), (2048, "2.05 kB"), (10**8, "100 MB"), (3 * 10**10, "30 GB")],
)
def test_sizes_in_words(size, text):
    assert size_text(size) == text
