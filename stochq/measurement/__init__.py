"""Who watches: detectors, how well they do, and the records that they write."""

from stochq.measurement.clicks import Clicks as Clicks
from stochq.measurement.clicks import ClicksByName as ClicksByName
from stochq.measurement.detector import Counting as Counting
from stochq.measurement.detector import Detector as Detector
from stochq.measurement.detector import Heterodyne as Heterodyne
from stochq.measurement.detector import Homodyne as Homodyne
from stochq.measurement.detector import Unread as Unread
from stochq.measurement.detector import counting as counting
from stochq.measurement.detector import heterodyne as heterodyne
from stochq.measurement.detector import homodyne as homodyne
from stochq.measurement.detector import unread as unread
from stochq.measurement.line import Line as Line
from stochq.measurement.line import WatchedParts as WatchedParts
from stochq.measurement.record import Record as Record

__all__ = [
    "Clicks",
    "Counting",
    "Detector",
    "Heterodyne",
    "Homodyne",
    "Line",
    "Record",
    "Unread",
    "WatchedParts",
    "counting",
    "heterodyne",
    "homodyne",
    "unread",
]
