"""A digest of the numbers in a file, which tells a damaged one."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from stochq.io.parts import RANGES

if TYPE_CHECKING:
    import xarray as xr

# The attribute that holds it.
CHECKSUM = "checksum"


def checksum_of(dataset: "xr.Dataset") -> str:
    """The digest of all variables and of what a result says of itself."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("header", RANGES):
        digest.update(str(dataset.attrs.get(name, "")).encode())
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        values = np.asarray(variable.values)
        is_text = values.dtype.kind not in "biufc"
        attributes = sorted((str(key), str(value)) for key, value in variable.attrs.items())
        kind = "text" if is_text else values.dtype.str
        digest.update(repr((name, variable.dims, values.shape, kind, attributes)).encode())
        digest.update(repr(values.astype(str).tolist()).encode() if is_text else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def check_checksum(dataset: "xr.Dataset") -> None:
    """ValueError where the numbers are not those that were written; files of earlier versions tell nothing."""
    known = dataset.attrs.get(CHECKSUM)
    if known is not None and known != checksum_of(dataset):
        raise ValueError("its numbers are not those that were written; the file is damaged, or was changed since")
