"""Run the benchmarks: ``python -m benchmarks [PART…]``, such as ``python -m benchmarks simvp``.

Every function ``bench_…`` of a module ``bench_<part>.py`` returns a table, and says in its
docstring what it compares. Ratios are of measurements made in the same run, so that they hold on
any machine. Times are of the fastest call, and of the median one in brackets.
"""

import importlib
import sys
import time
from pathlib import Path

from rich.console import Console


def main(parts: list[str]) -> int:
    known = sorted(path.stem.removeprefix("bench_") for path in _here().glob("bench_*.py"))
    unknown = [part for part in parts if part not in known]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 1
    console = Console(width=100)
    for part in parts or known:
        module = importlib.import_module(f"benchmarks.bench_{part}")
        for name, function in vars(module).items():
            if name.startswith("bench_"):
                begin = time.perf_counter()
                console.print(function())
                console.print(f"{part}: {name}, {time.perf_counter() - begin:.0f} s\n")
    return 0


def _here() -> Path:
    return Path(__file__).parent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
