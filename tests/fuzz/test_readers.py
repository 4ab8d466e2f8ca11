"""Damaged files and files of strangers are refused by errors that name them, or read as they were written.

`scripts/fuzz` does at length, and led by the code that it reaches, what is done here in short.
"""

import hashlib
from itertools import islice

import h5py
import numpy as np
import pytest

import stochq as sq
from stochq import io
from stochq.ensemble.checkpoint import content
from tests.fuzz.readers import READERS, Fault, mutations


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # h5netcdf's, of what it did not open
def test_mutated_files(name):
    reader = READERS[name]
    assert {reader.read(seed) for seed in reader.seeds()} == {"read"}
    outcomes = [reader.read(file) for file in islice(mutations(reader, 0), 60)]
    assert outcomes.count("refused") > 30


def test_the_reader_of_results_tells_other_numbers(monkeypatch):
    """Without digests an altered number is a fault: what the fuzzing looks for would be seen."""
    seed = READERS["result"].seeds()[0]
    number = np.array([0.5, 0.25]).tobytes()
    altered = seed.replace(number, np.array([0.5, 0.26]).tobytes(), 1)
    assert READERS["result"].read(altered) == "refused"
    for check in ("check_seal", "check_checksum"):
        monkeypatch.setattr(io.disk, check, lambda _: None)
    with pytest.raises(Fault, match="read as another result"):
        READERS["result"].read(altered)


def test_bytes_are_checked_before_hdf5_reads_any(tmp_path, monkeypatch):
    """HDF5 runs for ever on some damaged files; every altered byte is told without it."""
    path = tmp_path / "r.nc"
    good = READERS["result"].seeds()[0]
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("HDF5 was asked"))
    for at in np.random.default_rng(0).integers(0, good.rindex(b"\nstochq"), 50):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ValueError, match=r"^path: expected .*r\.nc is not one: .*damaged, or was changed since"):
            sq.load(path)
        assert not io.is_result(path)


def test_a_damaged_seal_tells_of_damage(tmp_path, monkeypatch):
    """Where the seal is not what it was, nothing says that the rest is."""
    path = tmp_path / "r.nc"
    good = READERS["result"].seeds()[0]
    start = good.rindex(b"\nstochq")
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("HDF5 was asked"))
    for at in range(start + 1, len(good)):
        for bad in (good[:at] + b"#" + good[at + 1 :], good[:at] + b"#" + good[at:], good[:at] + good[at + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(ValueError, match="damaged, or was changed since"):
                sq.load(path)


def test_the_digest_is_that_of_the_bytes_before_it(tmp_path):
    good = READERS["result"].seeds()[0]
    body, _, digest = good.rpartition(b"\nstochq/blake2b sealed ")
    assert digest.decode() == f"{hashlib.blake2b(body, digest_size=32).hexdigest()}\n"
    path = tmp_path / "r.nc"
    path.write_bytes(good)
    with h5py.File(path, "a") as file:
        file.attrs["note"] = "somebody's own"
    assert b"stochq/blake2b" not in path.read_bytes()
    assert sq.load(path).trajectories == 1000


def _resealed(text):
    body = len(text).to_bytes(8, "little") + text
    return content.MARK + hashlib.blake2b(body, digest_size=32).digest() + body


STRANGE = {
    "types of arrays are read as Python": b'{"dict": {"identity": {"array": ["(2,)i4, +", [1]]}}}',
    "objects": b'{"dict": {"identity": {"array": ["|O8", [1]]}}}',
    "more than memory holds": b'{"dict": {"identity": {"array": ["<f8", [1000000000000]]}}}',
    "negative": b'{"dict": {"identity": {"array": ["<f8", [-2]]}}}',
    "two kinds": b'{"dict": {}, "list": []}',
    "no kind": b"[]",
    "deep": b'{"list": [' * 5000 + b"]}" * 5000,
    "not JSON": b"{",
    "without stages": b'{"dict": {"identity": {"dict": {}}, "finished": true}}',
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_checkpoints_of_strangers(text):
    with pytest.raises(ValueError, match=r"^checkpoint: expected what stochq writes; run\.chk (cannot be read|holds)"):
        content.unpacked(_resealed(text), "run.chk")
