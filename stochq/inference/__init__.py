"""Records filtered, their likelihood, and parameters fitted to data with their uncertainties."""

from stochq.inference.filtering import Filtered as Filtered
from stochq.inference.filtering import filter as filter
from stochq.inference.filtering import log_likelihood as log_likelihood
from stochq.inference.fisher import Expected as Expected
from stochq.inference.fisher import Information as Information
from stochq.inference.fisher import information as information
from stochq.inference.fit import fit as fit
from stochq.inference.long_records import Correlations as Correlations
from stochq.inference.long_records import correlations as correlations
from stochq.inference.ranking import Ranking as Ranking
from stochq.inference.ranking import design as design
from stochq.inference.result import Band as Band
from stochq.inference.result import Fit as Fit
from stochq.inference.result import History as History
from stochq.inference.result import Intervals as Intervals
from stochq.inference.result import OtherMinimum as OtherMinimum
from stochq.inference.sampling import sample_records as sample_records
from stochq.inference.smoothing import Smoothed as Smoothed
from stochq.inference.smoothing import smooth as smooth
from stochq.inference.tracking import Tracked as Tracked
from stochq.inference.tracking import track as track
from stochq.measurement import Record as Record

__all__ = [
    "Band",
    "Correlations",
    "Expected",
    "Filtered",
    "Fit",
    "History",
    "Information",
    "Intervals",
    "OtherMinimum",
    "Ranking",
    "Record",
    "Smoothed",
    "Tracked",
    "correlations",
    "design",
    "filter",
    "fit",
    "information",
    "log_likelihood",
    "sample_records",
    "smooth",
    "track",
]
