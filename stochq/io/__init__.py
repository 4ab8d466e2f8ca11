"""Results in files."""

from stochq.io.disk import (
    check_ending,
    check_target,
    is_name_of_table,
    is_result,
    load,
    load_curves,
    load_record,
    save,
)
from stochq.io.layout import (
    FORMAT,
    NETCDF_ENDINGS,
    RECORD_FORMAT,
    SHAPES,
    STATISTICS,
    TABLE_ENDING,
    VERSION,
    Curves,
)
from stochq.io.read import from_dataset
from stochq.io.table import exact_table, to_table
from stochq.io.tree import to_tree
from stochq.io.write import record_to_dataset, to_dataset

__all__ = [
    "FORMAT",
    "NETCDF_ENDINGS",
    "RECORD_FORMAT",
    "SHAPES",
    "STATISTICS",
    "TABLE_ENDING",
    "VERSION",
    "Curves",
    "check_ending",
    "check_target",
    "exact_table",
    "from_dataset",
    "is_name_of_table",
    "is_result",
    "load",
    "load_curves",
    "load_record",
    "record_to_dataset",
    "save",
    "to_dataset",
    "to_table",
    "to_tree",
]
