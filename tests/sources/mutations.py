"""Ways in which files get broken, by accident or on purpose."""

import json
import random
from pathlib import Path
from typing import Any

# Numbers that break sums: the largest of 8, 16, 32 and 64 bits, signed and not, and none at all.
_NUMBERS = [
    (2**bits - offset).to_bytes(size, order)
    for bits, size in ((7, 1), (8, 1), (15, 2), (16, 2), (31, 4), (32, 4), (63, 8), (64, 8))
    for offset in (1,)
    for order in ("big", "little")
] + [bytes(4), bytes(8), bytes(64)]
_VALUES: list[Any] = [None, -1, 0, 1, 2**31, 2**63, 1e308, "", "x", "NaN", True, [], {}, [0], [-1]]


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A file after one to three accidents; half of them happen near its start."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_ACCIDENTS)(content, rng)
    return content


def mutate_tree(folder: Path, rng: random.Random) -> None:
    """Break one or two files of a folder; JSON also in ways that leave it JSON."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    described = [path for path in files if path.suffix == ".json" or path.name.startswith(".z")]
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice(described if described and rng.random() < 0.8 else files)
        if not path.exists():
            continue
        if rng.random() < 0.05:
            path.unlink()
        elif path in described and rng.random() < 0.8:
            try:
                tree = json.loads(path.read_text())
            except ValueError:
                continue
            path.write_text(json.dumps(_changed(tree, rng)))
        else:
            path.write_bytes(mutated(path.read_bytes(), rng))


def _place(content: bytes, rng: random.Random) -> int:
    stop = min(len(content), 4096) if rng.random() < 0.5 else len(content)
    return rng.randrange(max(1, stop))


def _flip(content: bytes, rng: random.Random) -> bytes:
    broken = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if broken:
            broken[_place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + rng.randbytes(rng.choice((1, 4, 100))) + content[at:]


def _drop(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.choice((1, 4, 100, 1000)) :]


def _number(content: bytes, rng: random.Random) -> bytes:
    number = rng.choice(_NUMBERS)
    at = _place(content, rng)
    return content[:at] + number + content[at + len(number) :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    """A piece of the file in another place, as after a disk that mixed up its blocks."""
    start, at, size = _place(content, rng), _place(content, rng), rng.choice((8, 64, 512))
    piece = content[start : start + size]
    return content[:at] + piece + content[at + len(piece) :]


_ACCIDENTS = (_flip, _flip, _flip, _cut, _insert, _drop, _number, _number, _repeat)


def _changed(tree: Any, rng: random.Random) -> Any:
    """Plain values of which one somewhere is another, or gone."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(sorted(tree))
        if rng.random() < 0.1:
            return {name: value for name, value in tree.items() if name != key}
        return {**tree, key: _changed(tree[key], rng)}
    if isinstance(tree, list) and tree and rng.random() < 0.8:
        at = rng.randrange(len(tree))
        return [*tree[:at], _changed(tree[at], rng), *tree[at + 1 :]]
    if isinstance(tree, str) and tree.startswith("{") and rng.random() < 0.9:
        return json.dumps(_changed(json.loads(tree), rng))  # a description within a description
    if isinstance(tree, (int, float)) and rng.random() < 0.5:
        return rng.choice((-tree, tree + 1, tree * 1000, tree / 3))
    return rng.choice(_VALUES)
