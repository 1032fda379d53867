"""A record is stale when its newest values are, by the clock on the wall of its own zone."""

from datetime import UTC, datetime

import numpy as np
import pytest

from stforecast.errors import ConfigError, StoreError
from stforecast.store.age import check_age
from tests.helpers import make_store


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestAge:
    # The last hour is 2000-01-02 23:00 of the clock of the record.
    @pytest.mark.parametrize(
        ("zone", "fresh", "stale"),
        [
            ("UTC", "2000-01-03T01:00", "2000-01-03T01:00:01"),
            ("America/New_York", "2000-01-03T06:00", "2000-01-03T06:01"),
            ("Asia/Kolkata", "2000-01-02T19:30", "2000-01-02T19:31"),
        ],
    )
    def test_it_is_of_the_zone(self, zone, fresh, stale):
        store = make_store(timezone=zone)
        check_age(store, "2h", at(fresh))
        with pytest.raises(StoreError, match=rf"values is 2000-01-02 23:00 \({zone}"):
            check_age(store, "2h", at(stale))

    def test_the_words(self):
        with pytest.raises(
            StoreError, match=r"stale: .* 3 days ago, and --max-age is 1D; add newer"
        ):
            check_age(make_store(), "1D", at("2000-01-06T02:00"))

    def test_absent_and_empty_times_do_not_count(self):
        late = np.zeros((48, 1, 1, 1), bool)
        late[46:] = True
        store = make_store(absent=[45], missing=late)
        check_age(store, "1h", at("2000-01-02T21:00"))
        with pytest.raises(StoreError, match="is 2000-01-02 20:00"):
            check_age(store, "1h", at("2000-01-02T21:30"))

    def test_months_are_of_the_calendar(self):
        store = make_store(step="1M", n=3, calendar="standard", start="2000-01-31")
        check_age(store, "1M", at("2000-04-30T00:00"))
        with pytest.raises(StoreError, match="stale"):
            check_age(store, "1M", at("2000-05-01T00:00"))

    def test_where_the_clock_is_put_back(self):
        store = make_store(n=26, start="2000-10-28T01:00", timezone="Europe/Berlin")
        check_age(store, "1h", at("2000-10-29T02:00"))
        with pytest.raises(StoreError, match="stale"):
            check_age(store, "1h", at("2000-10-29T02:01"))

    def test_what_has_no_age(self):
        with pytest.raises(ConfigError, match="the calendar noleap, which no clock does"):
            check_age(make_store(calendar="noleap"), "2h")
        with pytest.raises(ConfigError, match="--max-age: 'soon' is not a duration"):
            check_age(make_store(), "soon")
