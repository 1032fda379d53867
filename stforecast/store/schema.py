"""What a tensor store says of itself.

The tensor layout, in memory as on disk, is a dataset with

- ``data([sequence,] time, channel, y, x)`` float32, missing is NaN;
- ``absent(time)`` int8, 1 where the source has no such time;
- ``valid_cells([sequence,] time, channel)`` int32, how many cells are not missing;
- ``missing(channel, y, x)`` int32, at how many times (of all sequences) that are not absent the
  cell has no value;
- ``static(static_field, y, x)`` float32, where there are fields without a time (a land mask);
- ``time``, ``channel`` (the names), and the source's own spatial coordinates, cell bounds, grid
  mapping and time bounds, under the source's names on the dimensions ``y`` and ``x``;
- the attribute ``stforecast``: a :class:`StoreMeta` as JSON text.
"""

from typing import Any, Literal

import numpy as np
import pydantic
from pydantic import BaseModel, ConfigDict, Field

from stforecast.errors import StoreError

SCHEMA_VERSION = 1


def plain(value: Any) -> Any:
    """An attribute's value as JSON can hold it: numpy numbers and arrays become Python's own."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


class _Meta(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ChannelMeta(_Meta):
    """One channel: a variable of the source."""

    name: str = Field(description="name of the variable in the store and in forecasts")
    units: str | None = None
    long_name: str | None = None
    standard_name: str | None = None
    cell_methods: str | None = None
    minimum: float | None = Field(None, description="no forecast is below this value")
    maximum: float | None = Field(None, description="no forecast is above this value")
    daylight: bool = Field(False, description="zero while the sun is below the horizon")
    attrs: dict[str, Any] = Field(
        default_factory=dict, description="all attributes of the source's variable"
    )

    @property
    def title(self) -> str:
        """Words for titles: the long name, else the name."""
        return self.long_name or self.name

    def cf_attrs(self) -> dict[str, Any]:
        """Attributes of the variable when it goes back out: the source's, overridden by ours."""
        own = {
            "units": self.units,
            "long_name": self.long_name,
            "standard_name": self.standard_name,
            "cell_methods": self.cell_methods,
        }
        return {**self.attrs, **{key: value for key, value in own.items() if value is not None}}


class GenerationMeta(_Meta):
    """How the training sequences of a store are drawn, for one that does not hold them."""

    name: str = Field(description="the generator, one of stforecast.generators.GENERATORS")
    settings: dict[str, Any]
    arrays: list[str] = Field(description="arrays of the store that it draws from")
    sequences: int = Field(description="sequences drawn for one epoch")
    stored: dict[Literal["validation", "test"], tuple[int, int]] = Field(
        description="half-open ranges of the sequences that the store holds"
    )


class CountsMeta(_Meta):
    """What was counted of each channel and cannot be told from the arrays, in their order."""

    infinite: list[int] = Field(description="infinite values, which are kept as missing")
    minimum: list[float | None] = Field(description="None where there is no value")
    maximum: list[float | None]


class StoreMeta(_Meta):
    """A store as a whole. JSON in the attribute ``stforecast`` of the group."""

    schema_version: int = SCHEMA_VERSION
    time_step: str = Field(description="step of the time axis, such as 1h, 1D, 1M")
    time_anchor: Literal["same", "mid", "mid-day", "end"] = "same"
    calendar: str = "proleptic_gregorian"
    time_name: str = Field("time", description="the source's name of the time dimension")
    y_name: str = "y"
    x_name: str = "x"
    sequence_name: str | None = Field(
        None, description="the source's name of the dimension of independent sequences, if any"
    )
    generation: GenerationMeta | None = Field(
        None, description="how training sequences are drawn, where they are not stored"
    )
    channels: list[ChannelMeta]
    static: list[ChannelMeta] = Field(
        default_factory=list, description="fields without a time, in the order of their array"
    )
    grid_kind: str = "bare"
    grid_mapping: str | None = Field(None, description="name of the grid mapping variable")
    crs_wkt: str | None = None
    timezone: str = "UTC"
    attrs: dict[str, Any] = Field(
        default_factory=dict, description="global attributes of the source"
    )
    scalars: dict[str, Any] = Field(
        default_factory=dict,
        description="scalar coordinates of the source: name to {value, attrs}",
    )
    sources: list[dict[str, Any]] = Field(
        default_factory=list, description="files read: path, size in bytes, mtime, sha256"
    )
    findings: list[str] = Field(
        default_factory=list, description="what was found in the source and done about it"
    )
    recipe: dict[str, Any] | None = Field(
        None, description="the options that say how values were made of those in the files"
    )
    done: dict[str, str] = Field(
        default_factory=dict, description="what was done to the values, in words"
    )
    options: dict[str, Any] | None = Field(
        None, description="the options that files were read with, which hold for those added later"
    )
    history: dict[str, Any] | None = Field(
        None, description="the parts of the findings that cannot be told from the arrays"
    )
    counts: CountsMeta | None = None
    created: str | None = None
    updated: str | None = Field(None, description="when times were last added")
    stforecast_version: str | None = None

    @classmethod
    def from_json(cls, text: Any, where: str = "the dataset") -> "StoreMeta":
        """Read the attribute; StoreError, naming `where`, if it is not one or too new."""
        try:
            meta = cls.model_validate_json(text)
        except (pydantic.ValidationError, TypeError):
            raise StoreError(
                f"{where} has no readable description of a tensor store; make it anew with "
                "stforecast ingest"
            ) from None
        if meta.schema_version > SCHEMA_VERSION:
            raise StoreError(
                f"{where} was made by a newer stforecast ({meta.stforecast_version}, schema "
                f"{meta.schema_version}); update stforecast to read it"
            )
        return meta

    def to_json(self) -> str:
        """The attribute's text."""
        return self.model_dump_json()
