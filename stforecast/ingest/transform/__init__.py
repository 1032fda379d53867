"""What is done to values at ingest: rates, larger cells, longer steps."""

from stforecast.ingest.transform.build import build_record

__all__ = ["build_record"]
