"""Reports of independent sequences, such as videos."""

import numpy as np

from stforecast.product import build_product
from stforecast.verification import verify
from tests.helpers import make_store
from tests.report.test_report import page_of


def test_sequences_are_shown_as_frames_and_not_picked(tmp_path):
    store = make_store(15, ["grey"], 6, 7, sequences=3)
    observed = store.observations()
    leads, inits = np.arange(1, 4), [5]
    truth = observed["grey"].values[:, 6:9][None].transpose(0, 2, 1, 3, 4)
    product = build_product(
        truth[:, :, :, None] + 1,
        store=store,
        init_positions=inits,
        lead_steps=leads,
        attrs={},
        sequences=range(3),
    ).drop_vars(["lat", "lon"])
    bare = observed.drop_vars(["lat", "lon"])
    scores = verify({"ours": product}, bare)
    shown = page_of(tmp_path, scores, forecasts={"ours": product}, observations=bare)
    assert "Examples" in shown.text
    assert "not picked by their errors" in shown.text
    assert any(label.startswith("Frames of test grey") for label in shown.labels)
    assert "3 video" in shown.text
