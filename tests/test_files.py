"""A file replaces one of its own kind only, whole or not at all; links lead to their files, devices are left alone."""

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest

from stochq import io
from stochq.files import check_replaceable, free_name, is_picture, replace_file
from stochq.plotting import figure, save_figure
from tests.test_io import make_result


def test_a_result_replaces_a_result_only(tmp_path):
    notes, result = tmp_path / "c.nc", make_result()
    notes.write_text("[system]\n")
    with pytest.raises(FileExistsError, match="a result replaces only an earlier result.*Give another name"):
        result.save(notes)
    assert notes.read_text() == "[system]\n"
    place = tmp_path / "r.nc"
    result.save(place)
    make_result(trajectories=7).save(place)
    assert io.load(place).trajectories == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.nc", "r.nc"]


def test_other_netcdf_files_are_no_results(tmp_path):
    import xarray as xr

    other = tmp_path / "weather.nc"
    xr.Dataset({"rain": ("day", np.arange(3.0))}).to_netcdf(other, engine="h5netcdf")
    before = other.read_bytes()
    with pytest.raises(FileExistsError):
        make_result().save(other)
    assert other.read_bytes() == before


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    real, link = tmp_path / "far" / "r.nc", tmp_path / "link.nc"
    make_result().save(real)
    link.symlink_to(real)
    make_result(trajectories=7).save(link)
    assert link.is_symlink() and io.load(real).trajectories == 7
    assert [path.name for path in real.parent.iterdir()] == ["r.nc"]


@pytest.mark.parametrize("device", ["/dev/null", "fifo"])
def test_devices_are_left_alone(tmp_path, device):
    place = tmp_path / "link" if device == "fifo" else device
    if device == "fifo":
        os.mkfifo(tmp_path / "pipe")
        place.symlink_to(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="got a folder or a device"):
        make_result().save(place)
    with pytest.raises(FileExistsError, match="got a folder or a device"):
        save_figure(figure()[0], place)


def test_a_part_never_replaces_a_whole(tmp_path):
    place, part = tmp_path / "r.nc", make_result(info={"interrupted": True}, trajectories=3)
    part.save(place)
    make_result(info={"interrupted": True}, trajectories=4).save(place)
    make_result(trajectories=7).save(place)
    with pytest.raises(FileExistsError, match="interrupted run"):
        part.save(place)
    assert io.load(place).trajectories == 7


def test_a_picture_replaces_a_picture_only(tmp_path):
    made, table = figure()[0], tmp_path / "t.csv"
    table.write_text("a,b\n")
    with pytest.raises(FileExistsError, match="a picture replaces only an earlier picture"):
        save_figure(made, table)
    assert table.read_text() == "a,b\n"
    for name in ("p.png", "p.svg", "p.pdf", "p.jpg", "p.webp", "p.svgz", "p.ps", "p.tif", "none"):
        for _ in range(2):
            save_figure(made, tmp_path / name)
        assert is_picture(tmp_path / name)
    assert (tmp_path / "none").read_bytes().startswith(b"\x89PNG")


def test_what_only_begins_like_a_picture_is_none(tmp_path):
    (tmp_path / "sound").write_bytes(b"RIFF\0\0\0\0WAVE")
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"notes"))
    (tmp_path / "empty").write_bytes(b"")
    assert not any(is_picture(path) for path in tmp_path.iterdir())


def test_the_old_file_stays_where_the_new_one_fails(tmp_path):
    place = tmp_path / "r.txt"
    place.write_text("old")

    def fail(path):
        path.write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="r.txt: could not be written, what was there before is unchanged: .*No space"):
        replace_file(place, fail)
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]


def test_a_disk_that_fills_leaves_the_old_result(tmp_path):
    """A limit to the size of files is a disk of that size."""
    pytest.importorskip("resource")
    place = make_result(trajectories=7).save(tmp_path / "r.nc")
    code = (
        "import resource, numpy as np; from stochq import io; from tests.test_io import make_result\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"try: io.save(make_result(kept=np.ones((99, 5, 99), complex)), {str(place)!r})\n"
        "except OSError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "could not be written" in done.stdout, done.stderr
    assert io.load(place).trajectories == 7 and list(tmp_path.iterdir()) == [place]


def test_permissions_of_the_old_file_stay(tmp_path):
    place = make_result().save(tmp_path / "r.nc")
    place.chmod(0o640)
    make_result().save(place)
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write anywhere
    with pytest.raises(PermissionError, match="is read-only"):
        check_replaceable(tmp_path / "r.nc", "result", io.is_result)


def test_a_free_name_is_nobodys(tmp_path):
    assert free_name(tmp_path / "a.b.nc", "interrupted").name == "a.b.interrupted.nc"
    (tmp_path / "q.interrupted.nc").symlink_to("nowhere")
    assert free_name(tmp_path / "q.nc", "interrupted").name == "q.interrupted-2.nc"
