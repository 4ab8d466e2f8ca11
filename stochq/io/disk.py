"""Results on disk: netCDF files through xarray, tables through pandas, each imported only when it is needed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stochq.ensemble.result import EnsembleResult
from stochq.files import check_replaceable, replace_file
from stochq.io.checksum import CHECKSUM, check_checksum, check_seal, checksum_of, sealed
from stochq.io.layout import FORMAT, NETCDF_ENDINGS, TABLE_ENDING, Curves
from stochq.io.read import curves_from_dataset, from_dataset, record_from_dataset
from stochq.io.table import is_table, to_table
from stochq.io.tree import groups_of_file
from stochq.io.write import to_dataset
from stochq.measurement import Record

if TYPE_CHECKING:
    import xarray as xr

Contents = TypeVar("Contents")
# What h5py, h5netcdf and xarray raise for files that are damaged or of another kind.
DAMAGES = (
    OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError,
    MemoryError,
)  # fmt: skip


def save(result: EnsembleResult, path: str | os.PathLike[str], curves: Curves | None = None) -> Path:
    """Write the result as netCDF. The file appears whole or not at all, and replaces an earlier result only.

    Args:
        result: what is saved; one of an interrupted run does not replace one of a run that came to its end.
        path: the file; folders are made, symbolic links are followed. A name that ends in .csv is that of a table of
            the means, `result.to_dataframe()`, which `sq.load` cannot bring back.
        curves: what a picture shows beside the ensemble; None for those that the result was read with.

    Returns:
        the path.

    Raises:
        ValueError: for a name with another ending.
        FileExistsError: if something else stands there.
        OSError: if it cannot be written; either leaves what was there before.
    """
    check_ending(path)
    curves = Curves(result.exact) if curves is None else curves
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    target = check_target(path)
    if is_name_of_table(path):
        text = to_table(result, curves).to_csv(index=False, lineterminator="\n")
        replace_file(target, lambda aside: aside.write_bytes(text.encode()))
        return Path(path)
    if result.info.get("interrupted") and target.exists() and not _is_interrupted(target):
        raise FileExistsError(
            f"{path}: the result of an interrupted run does not replace that of a run that came to its end. "
            "Give another name, or remove the file first."
        )
    import xarray as xr

    # Made in memory: where a disk is full, HDF5 ends the process.
    dataset = to_dataset(result, curves)
    dataset.attrs[CHECKSUM] = checksum_of(dataset)
    groups = {f"/{name}": group for name, group in groups_of_file(result, curves).items()}
    content = sealed(bytes(xr.DataTree.from_dict({"/": dataset} | groups).to_netcdf(engine="h5netcdf")))
    replace_file(target, lambda aside: aside.write_bytes(content))
    return Path(path)


def check_target(path: str | os.PathLike[str]) -> Path:
    """The file to which a result saved as `path` is written. Raises: OSError if none can be."""
    if is_name_of_table(path):
        return check_replaceable(path, "table", is_table)
    return check_replaceable(path, "result", is_result)


def is_name_of_table(path: str | os.PathLike[str]) -> bool:
    """Whether a result saved under this name is a table, not a netCDF file."""
    return Path(path).suffix.lower() == TABLE_ENDING


def check_ending(path: str | os.PathLike[str]) -> None:
    """ValueError for a name that promises another kind of file than can be written."""
    if Path(path).suffix.lower() not in (*NETCDF_ENDINGS, TABLE_ENDING):
        raise ValueError(
            f"path: expected a name that ends in .nc, of a netCDF file, or .csv, of a table of the means; got {path}."
        )


def is_result(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a result that this library saved."""
    return _header(path) is not None


def _is_interrupted(path: str | os.PathLike[str]) -> bool:
    return bool((_header(path) or {}).get("info", {}).get("interrupted"))


def _header(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a saved result says of itself, None for other files. Reads nothing else of it."""
    import h5py

    try:
        check_seal(path)
        with h5py.File(path, "r") as file:
            return json.loads(str(file.attrs["header"])) if file.attrs.get("format") == FORMAT else None
    except DAMAGES:
        return None


def load(path: str | os.PathLike[str]) -> EnsembleResult:
    """Read a result written by `save`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a result of this library.
    """
    return _read(path, from_dataset)


def load_curves(path: str | os.PathLike[str]) -> Curves:
    """Read the curves saved beside a result; empty where there are none. Raises: as `load`."""
    return _read(path, curves_from_dataset)


def _read(path: str | os.PathLike[str], convert: Callable[["xr.Dataset"], Contents]) -> Contents:
    import xarray as xr

    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"path: expected a file written by stochq; there is none at {source}.")
    try:
        check_seal(source)
        # What is no such file is told here: h5netcdf would complain of it once more as it goes.
        _open_once(source)
        dataset = xr.load_dataset(source, engine="h5netcdf", decode_times=False)
        check_checksum(dataset)
        return convert(dataset)
    except DAMAGES as error:
        raise ValueError(f"path: expected a netCDF file written by stochq; {source} is not one: {error}") from error


def _open_once(source: Path) -> None:
    import h5py

    try:
        h5py.File(source, "r").close()
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError("it is of another kind, or a part of it is missing.") from error


def load_record(path: str | os.PathLike[str]) -> Record | None:
    """The record in a file that `save` or `Record.to_xarray().to_netcdf` wrote; None in a result without one.

    Raises:
        ValueError: as `load`.
    """
    return _read(path, record_from_dataset)
