"""Results survive the way to disk and back, and what is not a result is refused by name."""

import csv
import dataclasses
from datetime import datetime

import numpy as np
import pytest

import stochq
from stochq import io
from stochq.ensemble.result import EnsembleResult
from stochq.exact import ExactResult
from stochq.measurement import Record

TIMES = np.linspace(0.0, 2.0, 5)


def make_result(**changes):
    generator = np.random.default_rng(1)
    names = ("energy", "sigma_z/0 of site ⟨0⟩")

    def curves():
        return {name: generator.normal(size=len(TIMES)) for name in names}

    states = generator.normal(size=(3, 5, 2)) + 1j * generator.normal(size=(3, 5, 2))
    fields = dict(
        times=TIMES,
        mean=curves(),
        stderr=curves(),
        variance=curves(),
        trajectories=1000,
        failed=2,
        seed=2**64 - 1,
        scheme="Strang",
        dt=0.01,
        precision="single",
        fingerprint={"read": "abc"},
        ranges=[(2**64 - 1, 0, 600), (3, 0, 402)],
        bias={names[0]: generator.normal(size=len(TIMES)), names[1]: None},
        covariance=generator.normal(size=(2, 2)),
        covariance_points=[(names[0], 1), (names[1], 4)],
        kept=states.astype(np.complex64),
        density=generator.normal(size=(5, 2, 2)) + 1j,
        histograms={"p/q": (np.linspace(0, 1, 4), generator.normal(size=(5, 3)))},
        info={"backend": "cpu", "seconds": 1.5},
        kept_values={"energy": generator.normal(size=(3, 5))},
        records=Record.of_run(
            np.linspace(0, 2, 9),
            np.where(np.arange(8)[:, None] == 3, np.nan, generator.normal(size=(6, 8, 3))).astype(np.float32),
            ("x of ⟨0⟩", "z"),
            ("homodyne", "heterodyne"),
        ),
    )
    return EnsembleResult(**(fields | changes))


def assert_same(a, b, path="result"):
    if isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            assert_same(a[key], b[key], f"{path}[{key!r}]")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        np.testing.assert_array_equal(a, b, err_msg=path)
    elif isinstance(a, Record):
        assert_same(vars(a), vars(b), path)
    elif isinstance(a, tuple | list):
        assert type(a) is type(b) and len(a) == len(b), path
        for i, (left, right) in enumerate(zip(a, b, strict=True)):
            assert_same(left, right, f"{path}[{i}]")
    else:
        assert type(a) is type(b) and a == b, path


MINIMAL = dict(
    bias={},
    covariance=None,
    covariance_points=[],
    kept=None,
    density=None,
    histograms={},
    info={},
    records=None,
    kept_values={},
)


@pytest.mark.parametrize("changes", [{}, MINIMAL, {"info": {"seconds": float("inf")}}])
def test_round_trip_is_equal(tmp_path, changes):
    result = make_result(**changes)
    loaded = io.load(io.save(result, tmp_path / "made" / "result.nc"))
    for field in dataclasses.fields(result):
        assert_same(getattr(result, field.name), getattr(loaded, field.name), field.name)


def test_methods_of_the_result_save_and_convert(tmp_path):
    result = make_result()
    assert io.load(result.save(tmp_path / "result.nc")).mean.keys() == result.mean.keys()


def test_curves_are_kept_beside_the_result(tmp_path):
    result = make_result()
    curves = io.Curves(exact={"energy": TIMES})
    path = io.save(result, tmp_path / "result.nc", curves)
    loaded = io.load_curves(path)
    assert_same(dict(curves.exact), loaded.exact)
    assert io.load_curves(io.save(result, path)) == io.Curves()


def test_dataset_is_plain_to_xarray_users(tmp_path):
    xarray = pytest.importorskip("xarray")
    result = make_result()
    path = result.save(tmp_path / "result.nc")
    with xarray.open_dataset(path, engine="h5netcdf") as dataset:
        energy = dataset["mean"].sel(observable="energy", time=TIMES[2])
        assert float(energy) == result.mean["energy"][2]


SI = {"unit:time": "s", "unit:energy": "J"}


def test_a_file_explains_itself(tmp_path):
    """Every number has a unit and a long name, and what it is and was made by stands in the file."""
    xarray = pytest.importorskip("xarray")
    result = make_result(info={"seconds": 1.5} | SI)
    with xarray.open_datatree(result.save(tmp_path / "result.nc"), engine="h5netcdf") as tree:
        means, errors = tree["means"], tree["errors"]
        np.testing.assert_array_equal(means["energy"], result.mean["energy"])
        np.testing.assert_array_equal(errors["energy"].sel(time=TIMES[2]), result.stderr["energy"][2])
        assert means["energy"].attrs == {"units": "J", "long_name": "mean of energy"}
        assert means["sigma_z_0 of site ⟨0⟩"].attrs["units"] == "1" and means["time"].attrs["units"] == "s"
        assert tree["mean"].attrs["units"] == "that of the observable" and tree["kept_re"].attrs["units"] == "1"
        for node in tree.subtree:
            for name, variable in node.dataset.variables.items():
                if variable.dtype.kind in "biufc":
                    assert {"units", "long_name"} <= variable.attrs.keys(), name
        assert tree.attrs["Conventions"].startswith("CF-1.") and tree.attrs["stochq_version"] == stochq.__version__
        assert "written by stochq" in tree.attrs["history"] and "of seed" in tree.attrs["history"]
        datetime.fromisoformat(tree.attrs["created_at"])


def test_a_tree_has_what_a_result_has():
    """By name, with coordinates; complex numbers are complex, and the middle of a bin is that of its edges."""
    pytest.importorskip("xarray")
    complex_mean = {"a": TIMES + 1j, "energy": TIMES}
    result = make_result(mean=complex_mean, stderr=complex_mean, variance=complex_mean, bias={}, info=SI)
    tree = result.to_xarray()
    assert [*tree.children] == ["means", "errors", "variances", "states", "histograms", "covariance"]
    np.testing.assert_array_equal(tree["means"]["a"], TIMES + 1j)
    assert tree["variances"]["energy"].attrs["units"] == "(J)^2"
    kept = tree["states"]["kept"].sel(trajectory=2, time=TIMES[1])
    np.testing.assert_array_equal(kept, result.kept[2, 1])
    np.testing.assert_array_equal(tree["states"]["density"].sel(time=TIMES[4], level=1), result.density[4, 1])
    histogram = tree["histograms"]["histogram_p_q"]
    np.testing.assert_allclose(histogram["centre_p_q"], [1 / 6, 1 / 2, 5 / 6])
    np.testing.assert_array_equal(histogram.sel(time=TIMES[3])[1], result.histograms["p/q"][1][3, 1])
    covariance = tree["covariance"].to_dataset()
    assert covariance["point_observable"].values.tolist() == [name for name, _ in result.covariance_points]
    np.testing.assert_array_equal(covariance["point_time"], TIMES[[1, 4]])
    assert len(tree["means"].to_dataset().to_dataframe()) == len(TIMES)


def test_a_table_of_a_large_result_is_made_at_once():
    """1000 times and 10 observables beside 100 kept states: a table of 10 000 rows, not their product."""
    times, names = np.linspace(0.0, 1.0, 1000), [f"o{i}" for i in range(10)]
    values = dict.fromkeys(names, times)
    kept = np.broadcast_to(np.complex64(1), (100, 1000, 64))
    fields = {"mean": values, "stderr": values, "variance": values, "bias": {}, "kept_values": {}, "records": None}
    fields |= {"kept": kept, "kept_rows": np.arange(100), "covariance": None, "covariance_points": [], "density": None}
    result = make_result(times=times, histograms={}, **fields)
    table = result.to_dataframe()
    assert len(table) == 10_000 and table.memory_usage(deep=True).sum() < 50e6
    assert result.to_xarray()["states"]["kept"].shape == (100, 1000, 64)


def test_a_failed_save_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = io.save(make_result(), tmp_path / "result.nc")
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("xarray.DataTree.to_netcdf", fail)
    with pytest.raises(OSError, match="disk full"):
        io.save(make_result(trajectories=7), path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["result.nc"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path: expected .* there is none at .*nowhere\.nc"):
        io.load(tmp_path / "nowhere.nc")


def test_a_directory_is_not_a_result(tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected"):
        io.load(tmp_path)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "notes.nc"
    text.write_text("not a netCDF file")
    xarray = pytest.importorskip("xarray")
    foreign = tmp_path / "foreign.nc"
    xarray.Dataset({"x": ("t", [1.0])}).to_netcdf(foreign, engine="h5netcdf")
    for path in (text, foreign):
        with pytest.raises(ValueError, match=f"path: expected a netCDF file written by stochq.*{path.name}"):
            io.load(path)
    with pytest.raises(ValueError, match=r"notes\.nc is not one: it is of another kind, or a part of it is missing\.$"):
        io.load(text)


def test_a_later_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(io.write, "VERSION", io.VERSION + 1)
    path = io.save(make_result(), tmp_path / "result.nc")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="Upgrade stochq"):
        io.load(path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # h5netcdf's, of what it did not open
def test_damaged_files_are_refused_or_hold_the_same_numbers(tmp_path):
    """Bits of a file are turned, and files cut: what h5py says of it reaches nobody, and no other numbers are read."""
    place, chance = tmp_path / "r.nc", np.random.default_rng(0)
    result = make_result()
    good = result.save(place).read_bytes()
    refused = 0
    for _ in range(30):
        bad = bytearray(good)
        for at in chance.integers(0, len(good), chance.integers(1, 4)):
            bad[at] ^= 1 << int(chance.integers(8))
        place.write_bytes(bad[: chance.integers(1, len(good))] if chance.random() < 0.2 else bad)
        try:
            loaded = io.load(place)
        except ValueError as error:
            refused += 1
            assert str(error).startswith("path: expected a netCDF file written by stochq")
            continue
        assert_same(loaded.mean, result.mean)
        assert_same(loaded.kept, result.kept)
        assert_same(loaded.fingerprint, result.fingerprint)
    assert refused > 5


def test_numbers_that_were_changed_are_told(tmp_path):
    xarray = pytest.importorskip("xarray")
    place = make_result().save(tmp_path / "r.nc")
    dataset = xarray.load_dataset(place, engine="h5netcdf")
    dataset["mean"][0, 0] += 1e-9
    dataset.to_netcdf(tmp_path / "s.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="damaged, or was changed since"):
        io.load(tmp_path / "s.nc")
    del dataset.attrs["checksum"]  # as of earlier versions
    dataset.to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    assert io.load(tmp_path / "old.nc").trajectories == 1000


def test_a_table_has_a_row_for_each_time_and_observable(tmp_path):
    """Written out by hand: what stands beside a time and a name is that number, to the last digit."""
    pandas = pytest.importorskip("pandas")
    result = make_result()
    first, second = result.mean
    table = result.to_dataframe()
    assert list(table) == ["time", "observable", "mean", "stderr", "variance", "bias"]
    assert len(table) == 2 * len(TIMES)
    row = table[(table.observable == second) & (table.time == TIMES[3])].iloc[0]
    assert (row["mean"], row["stderr"], row["variance"]) == (
        result.mean[second][3], result.stderr[second][3], result.variance[second][3]
    )  # fmt: skip
    assert np.isnan(row["bias"])
    head, *rows = csv.reader(result.save(tmp_path / "made" / "x.csv").read_text(encoding="utf-8").splitlines())
    assert head == list(table) and [row[1] for row in rows] == table.observable.tolist()
    numbers = [[float(value or "nan") for place, value in enumerate(row) if place != 1] for row in rows]
    np.testing.assert_array_equal(numbers, table.drop(columns="observable"))
    curves = io.Curves({first: TIMES})
    exact = pandas.read_csv(io.save(result, tmp_path / "made" / "x.csv", curves))
    np.testing.assert_array_equal(exact["exact"], [*TIMES, *np.full(len(TIMES), np.nan)])


def test_parts_of_complex_means_are_rows_of_their_own():
    complex_mean = {"a": np.array([1 + 2j, 3 - 4j])}
    fields = {"times": np.array([0.0, 1.0]), "mean": complex_mean, "stderr": complex_mean, "variance": complex_mean}
    table = make_result(**fields, bias={"a": None}).to_dataframe()
    assert table.observable.tolist() == ["Re a", "Re a", "Im a", "Im a"]
    assert table["mean"].tolist() == [1.0, 3.0, 2.0, -4.0]


def test_exact_means_have_the_same_table():
    fields = {"method": "ode", "error": 0.0, "seconds": 0.0, "deviations": {"p": np.array([[3.0, 4.0], [0.0, 0.0]])}}
    table = ExactResult(np.array([0.0, 1.0]), {"p": np.array([0.5, 0.25])}, None, **fields).to_dataframe()
    assert table.to_dict("list") == {
        "time": [0.0, 1.0], "observable": ["p", "p"], "mean": [0.5, 0.25], "stderr": [5.0, 0.0]
    }  # fmt: skip


def test_endings_that_cannot_be_written_are_refused(tmp_path):
    for name in ("x.txt", "x.CSVX", "x.npz"):
        with pytest.raises(ValueError, match=r"^path: expected a name that ends in \.nc.*\.csv"):
            make_result().save(tmp_path / "new" / name)
    assert not any(tmp_path.iterdir())


def test_a_table_replaces_only_a_table(tmp_path):
    mine = tmp_path / "x.csv"
    mine.write_text("t,x\n0,1\n")
    with pytest.raises(FileExistsError, match="a table replaces only an earlier table"):
        make_result().save(mine)
    assert mine.read_text() == "t,x\n0,1\n"
    mine.unlink()
    assert make_result(trajectories=7).save(mine) == make_result().save(mine)
