"""Results in files."""

from stochq.io.disk import check_target, is_result, load, load_curves, load_record, save
from stochq.io.layout import FORMAT, RECORD_FORMAT, SHAPES, STATISTICS, VERSION, Curves
from stochq.io.read import from_dataset
from stochq.io.write import record_to_dataset, to_dataset

__all__ = [
    "FORMAT",
    "RECORD_FORMAT",
    "SHAPES",
    "STATISTICS",
    "VERSION",
    "Curves",
    "check_target",
    "from_dataset",
    "is_result",
    "load",
    "load_curves",
    "load_record",
    "record_to_dataset",
    "save",
    "to_dataset",
]
