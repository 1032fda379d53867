"""Names of what an experiment leaves in its folder, ``runs/<name>/`` by default."""

from typing import Final

STORE: Final = "store.zarr"
MODEL: Final = "model"
FORECAST: Final = "forecast.nc"
VERIFICATION: Final = "verification"
MAPS: Final = "maps"
COMPARISON: Final = "compare"
ABLATION: Final = "ablation"
