"""How a result lies in a netCDF file: the marks of the format, and what may lie beside the ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FORMAT, RECORD_FORMAT = "stochq ensemble", "stochq record"
VERSION = 1
STATISTICS = ("mean", "stderr", "variance")
SHAPES = ("skewness", "kurtosis")
# How the names of netCDF files end, which are HDF5 files, and of tables of the means.
NETCDF_ENDINGS = ("", ".nc", ".nc4", ".netcdf", ".cdf", ".h5", ".hdf5")
TABLE_ENDING = ".csv"


@dataclass(frozen=True)
class Curves:
    """What a picture shows beside the ensemble: the exact curves, (time,), by observable."""

    exact: Mapping[str, np.ndarray] = field(default_factory=dict)
