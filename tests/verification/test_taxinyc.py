"""References on four years of taxis in New York, against figures worked out independently."""

import numpy as np
import pytest

from stforecast.ingest import prepare
from stforecast.options import DataOptions
from stforecast.sources import open_source
from stforecast.verification import reference, verify
from stforecast.windows.climatology import learn_climatology
from stforecast.windows.parts import Splits
from stforecast.windows.spec import WindowSpec


@pytest.fixture(scope="module")
def taxinyc(shared):
    options = DataOptions(
        files=[str(shared / "data" / "taxinyc" / "*.h5")],
        slots="hour",
        variables={"departures": {"index": 0}, "arrivals": {"index": 1}},
    )
    return prepare(open_source(options.files, options), options).store()


def windows(store, before):
    """Initial times of 2013 with `before` fields up to them and four after, none of them absent."""
    first, stop = store.axis.slice_of("2013", "2013")
    complete = store.complete()
    return np.array(
        [
            at
            for at in range(first + before - 1, stop - 4)
            if complete[at - before + 1 : at + 5].all()
        ]
    )


def rmse(store, name, inits):
    """Per lead, over both channels."""
    train = store.axis.slice_of("2010", "2012")
    product = reference(name, store, inits, 4, history=4, train=train)
    scores = verify(product, store.observations(), area_weighted=False)
    assert scores.attrs["initial_times"] == len(inits)
    return np.sqrt((scores["rmse"] ** 2).mean(("forecast", "variable"))).values


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("persistence", [155.8, 275.6, 367.6, 440.8]),
        ("hour_of_week", [125.3, 125.4, 125.6, 125.8]),
    ],
)
def test_known_figures_are_reproduced(taxinyc, name, expected):
    inits = windows(taxinyc, 4)
    assert len(inits) == 8050
    np.testing.assert_allclose(rmse(taxinyc, name, inits), expected, atol=0.06)


def test_what_is_usual_is_found_by_itself(taxinyc):
    spec = WindowSpec(4, 4, "climatology")
    splits = Splits(taxinyc.axis.slice_of("2010", "2012"))
    found = learn_climatology(taxinyc, spec, splits)
    assert found.classes.kind == "hour_of_week"
    inits = windows(taxinyc, 4)
    usual = found.fields_at(taxinyc.axis)
    record = taxinyc.read(0, taxinyc.shape[0])
    errors = [np.square(usual(inits + lead) - record[inits + lead]).mean() for lead in range(1, 5)]
    np.testing.assert_allclose(np.sqrt(errors), [125.3, 125.4, 125.6, 125.8], atol=0.06)


def test_the_week_before(taxinyc):
    inits = windows(taxinyc, 168)
    assert len(inits) == 7722
    np.testing.assert_allclose(rmse(taxinyc, "week_before", inits), 142.9, atol=0.25)


def test_linear(taxinyc):
    """As worked out with scikit-learn elsewhere, which let forecasts fall below zero."""
    inits = windows(taxinyc, 168)
    np.testing.assert_allclose(rmse(taxinyc, "linear", inits), [52.6, 73.4, 86.9, 95.3], rtol=0.012)
