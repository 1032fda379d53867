"""Options of what a model is told besides its history."""

from typing import Literal

from pydantic import Field

from stforecast.options.base import OneOrMore, Options

CalendarField = Literal["hour", "weekday", "month", "day_of_year"]


class CalendarCovariate(Options):
    """Calendar fields of each valid time as sine and cosine, in the clock of the stamps."""

    calendar: OneOrMore[CalendarField] = Field(min_length=1)


CovariateOptions = CalendarCovariate
