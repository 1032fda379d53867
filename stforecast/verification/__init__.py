"""What a forecast is worth: scores beside those of forecasts that cost nothing."""

from stforecast.verification.output import score_frame, write_scores
from stforecast.verification.references import REFERENCES, reference, references_for
from stforecast.verification.scoring import verify
from stforecast.verification.tables import score_table

__all__ = [
    "REFERENCES",
    "reference",
    "references_for",
    "score_frame",
    "score_table",
    "verify",
    "write_scores",
]
