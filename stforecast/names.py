"""Names of dimensions, coordinates and attributes, used everywhere."""

from typing import Final

# Dimensions of the tensor store and of tensors.
SEQUENCE: Final = "sequence"
TIME: Final = "time"
CHANNEL: Final = "channel"
Y: Final = "y"
X: Final = "x"
BOUNDS: Final = "bnds"
STATIC_FIELD: Final = "static_field"

# Arrays of the tensor store.
DATA: Final = "data"
ABSENT: Final = "absent"
STATIC: Final = "static"
VALID_CELLS: Final = "valid_cells"
MISSING: Final = "missing"
META_ATTRIBUTE: Final = "stforecast"

# In the encoding of a dataset that was just read: the files it comes from.
SOURCE_FILES: Final = "source_files"
# Likewise: the datasets of several sources, of a dataset that holds nothing itself.
SOURCE_PARTS: Final = "source_parts"
# Likewise: what its reader has to tell the user, and how its training sequences are drawn.
SOURCE_NOTES: Final = "source_notes"
GENERATION: Final = "generation"

# Dimensions and coordinates of a forecast.
INIT_TIME: Final = "init_time"
LEAD_TIME: Final = "lead_time"
VALID_TIME: Final = "valid_time"
FORECAST_PERIOD: Final = "forecast_period"
MEMBER: Final = "member"

# The bounds of intervals stand beside a variable of a forecast, as <name>_lower and <name>_upper.
LOWER: Final = "_lower"
UPPER: Final = "_upper"
# Attribute of both bounds: the share of observations that is to lie between them.
COVERAGE: Final = "stforecast_coverage"

# Attribute of coordinates of times that stand for something else, such as frames of a video.
COUNTS: Final = "stforecast_counts"

# Attribute of a forecast: lowest and highest value of each variable, which make frames of [0, 1].
VALUE_RANGES: Final = "stforecast_value_ranges"

# Dimensions of a table of scores.
SYSTEM: Final = "forecast"
VARIABLE: Final = "variable"
REFERENCE: Final = "reference"

CF_CONVENTIONS: Final = "CF-1.11"
