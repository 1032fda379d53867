"""What is usual at a time of day, of the week, of the year: learned from a training period alone.

Numpy only: references are made of it, and anomalies that models learn are taken from it.
"""

from stforecast.climatology.classes import Kind, TimeClasses
from stforecast.climatology.frames import Fields, Frames, Positions
from stforecast.climatology.means import ClassMeans, LinearTrend

__all__ = ["ClassMeans", "Fields", "Frames", "Kind", "LinearTrend", "Positions", "TimeClasses"]
