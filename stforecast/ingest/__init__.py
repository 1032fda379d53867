"""From the dataset of a source to the tensor layout: checked, regular in time, on one grid."""

from stforecast.ingest.findings import Findings
from stforecast.ingest.pipeline import Prepared, ingest, prepare

__all__ = ["Findings", "Prepared", "ingest", "prepare"]
