"""What a forecast is worth: scores beside those of forecasts that cost nothing."""

from stforecast.verification.framewise import FrameScaling
from stforecast.verification.metrics import METRICS
from stforecast.verification.output import read_scores, score_frame, write_scores
from stforecast.verification.references import REFERENCES, reference, references_for
from stforecast.verification.scoring import verify, verify_as_asked
from stforecast.verification.tables import score_table

__all__ = [
    "METRICS",
    "REFERENCES",
    "FrameScaling",
    "read_scores",
    "reference",
    "references_for",
    "score_frame",
    "score_table",
    "verify",
    "verify_as_asked",
    "write_scores",
]
