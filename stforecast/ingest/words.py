"""Words for messages: nearest names, short lists."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

_SHOWN = 6


def nearest(given: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` with the nearest of the known names, or all of them if few."""
    names = [str(name) for name in known]
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(given.lower(), list(by_lower), n=3, cutoff=0.6)
    if close:
        return f"did you mean {listed((by_lower[name] for name in close), 'or')}?"
    if not names:
        return "there are none"
    return f"there {'is' if len(names) == 1 else 'are'} {listed(names)}"


def listed(items: Iterable[Any], word: str = "and") -> str:
    """``a, b and c``, with the middle left out of a long list."""
    texts = [_text(item) for item in items]
    if len(texts) > _SHOWN + 1:
        texts = [*texts[: _SHOWN - 1], f"… ({len(texts)} in all)", texts[-1]]
        return ", ".join(texts)
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}"


def dims_text(sizes: Iterable[tuple[Any, int]]) -> str:
    """``time 10, latitude 5``."""
    return ", ".join(f"{dim} {size}" for dim, size in sizes) or "no dimensions"


def _text(item: Any) -> str:
    if isinstance(item, bytes):
        return item.decode(errors="replace")
    if isinstance(item, (float, np.floating)):
        return f"{item:g}"
    return str(item)
