"""`stochq merge`: jobs over parts of one ensemble become its result."""

import numpy as np

import stochq as sq
from tests.cli.test_run import invoke, refused


def job(path, first, trajectories=1024, **options):
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    options = {"seed": 3, "observables": {"p": [1.0, 0.0]}, "dt": 0.5} | options
    result = sq.simulate(equation, [0.6, 0.8], [0, 1], trajectories=trajectories, first=first, **options)
    return result.save(path)


def test_an_array_of_jobs_becomes_one_run(tmp_path):
    files = [job(tmp_path / f"{i}.nc", 1024 * i) for i in (2, 0, 1)]
    done = invoke("merge", *files, "--out", tmp_path / "new" / "all.nc")
    assert done.exit_code == 0 and "3 results: 3072 trajectories, 0 to 3071 of seed 3" in done.stdout
    merged, whole = sq.load(tmp_path / "new" / "all.nc"), sq.load(job(tmp_path / "whole.nc", 0, 3072))
    assert merged.ranges == whole.ranges == [(3, 0, 3072)]
    for field in ("mean", "stderr", "variance", "kurtosis"):
        np.testing.assert_array_equal(getattr(merged, field)["p"], getattr(whole, field)["p"])
    np.testing.assert_array_equal(merged.covariance, whole.covariance)


def test_what_does_not_merge_is_named_and_nothing_is_written(tmp_path):
    one, same = job(tmp_path / "1.nc", 0), job(tmp_path / "same.nc", 512)
    other, out = job(tmp_path / "2.nc", 1024, dt=0.25), tmp_path / "all.nc"
    refused(invoke("merge", one, other, "--out", out), "2.nc: merge: expected two runs of one problem", "times or dt")
    refused(invoke("merge", one, same, "--out", out), "same.nc: merge: trajectories 512 to 1023 of seed 3")
    refused(invoke("merge", one, "--out", out), "at least two results")
    refused(invoke("merge", one, tmp_path / "none.nc", "--out", out), "there is none")
    refused(invoke("merge", one, other, "--out", tmp_path / "all.csv"), "merge: --out", "ends in .nc")
    assert not out.exists()
