"""Bits that flip in the files of a store: the check names the file, and no read is wrong."""

import random
import shutil

import pytest

from tests.faults.material import Material

SEED = 20260505


def flip_bits(material: Material, seed: int, number: int) -> None:
    random_ = random.Random(seed)
    store = material.place(f"bits-{seed}", old=False)
    shutil.copytree(material.folder / "new.zarr", store)
    files = sorted(
        file.relative_to(store).as_posix() for file in store.rglob("*") if file.is_file()
    )
    right = material.forks.run("read", store=str(store)).result
    opened = refused = 0
    for index in range(number):
        key = files[index % len(files)]
        content = (store / key).read_bytes()
        at, bit = random_.randrange(len(content)), random_.randrange(8)
        print(f"seed {seed}, try {index}: bit {bit} of byte {at} of {key}")
        flipped = bytearray(content)
        flipped[at] ^= 1 << bit
        (store / key).write_bytes(bytes(flipped))
        found = material.forks.run("state", store=str(store))
        if found.error is None:
            problems = found.result["problems"]
            named = [problem.split(" ")[0] for problem in problems]
            assert named or found.result["digest"] is None, "nothing is told"
            # a flip in the manifest is told as one of the file that it is of
            assert key == "manifest.json" or not named or key in named, problems
        read = material.forks.run("read", store=str(store))
        if read.error is None:
            opened += 1
            assert read.result == right, "read wrong without a word"
        else:
            refused += 1
            material.assert_told(read, "StoreError", "DataError")
        (store / key).write_bytes(content)
    print(f"{number} flipped bits: {refused} reads refused, {opened} right, none wrong")
    assert refused > number // 2
    assert material.state(store)["digest"] == material.digests["new"]


def test_some_bits(material: Material) -> None:
    flip_bits(material, SEED, 8)


@pytest.mark.slow
def test_many_bits(material: Material) -> None:
    flip_bits(material, SEED + 1, 200)
