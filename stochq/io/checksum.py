"""Digests that tell a damaged file: of its bytes, which is looked at before HDF5 reads any, and of its numbers.

The first stands behind what HDF5 reads, and is gone once somebody adds to the file; the second stays. HDF5 may not come
to an end with a damaged file.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stochq.io.parts import RANGES

if TYPE_CHECKING:
    import xarray as xr

# The attribute that holds it.
CHECKSUM = "checksum"
_SEAL, _DIGEST = b"\nstochq/blake2b sealed ", 32
_DAMAGED = "its numbers are not those that were written; the file is damaged, or was changed since"


def sealed(content: bytes) -> bytes:
    """The bytes of a file with their digest behind them."""
    return content + _seal(hashlib.blake2b(content, digest_size=_DIGEST).hexdigest())


def check_seal(path: str | os.PathLike[str]) -> None:
    """ValueError where the bytes of a file are not those that were written. Files without a seal tell nothing."""
    length = len(_seal("0" * 2 * _DIGEST))
    digest = hashlib.blake2b(digest_size=_DIGEST)
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 4 * length, 0))
        end = file.read()
        # Either word of a seal: a damaged one, or one with more behind it, is no seal and tells of damage.
        if not any(word in end for word in _SEAL.split()):
            return
        left, seal = size - length, end[-length:]
        file.seek(0)
        while left > 0:
            read = file.read(min(left, 1 << 20))
            digest.update(read)
            left -= len(read)
    if seal != _seal(digest.hexdigest()):
        raise ValueError(_DAMAGED)


def _seal(digest: str) -> bytes:
    return _SEAL + digest.encode() + b"\n"


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
        raise ValueError(_DAMAGED)
