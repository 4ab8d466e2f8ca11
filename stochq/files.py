"""Files that replace only files of their own kind, whole or not at all."""

import gzip
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stochq.locks import Held, is_at, lock

# How files begin that hold a picture: PNG, JPEG, GIF, PDF, PostScript, TIFF (two byte orders).
PICTURE_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF", b"%!PS", b"II*\0", b"MM\0*")


def check_replaceable(path: str | os.PathLike[str], kind: str, is_of_kind: Callable[[Path], bool]) -> Path:
    """The regular file behind `path`, at the end of its symbolic links; it need not exist.

    Args:
        path: where a file is to be written.
        kind: what it will be, as messages name it: "result", "picture".
        is_of_kind: whether an existing file is of that kind.

    Raises:
        FileExistsError: if something stands there that is not a file of that kind.
        OSError: if its folder cannot be written to.
    """
    given = Path(path)
    target = Path(os.path.realpath(given))
    if given.exists() and not given.is_file():
        raise FileExistsError(
            f"{given}: expected the name of a {kind} file; got a folder or a device. Give another name."
        )
    if given.exists() and not is_of_kind(target):
        raise FileExistsError(
            f"{given}: a {kind} replaces only an earlier {kind}; got another kind of file, which is left as it is. "
            "Give another name, or remove it first."
        )
    folder = target.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{given}: expected a folder to write into; {folder} is not one.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{given}: expected a folder that can be written to; {folder} is read-only.")
    remove_leftovers(folder)
    return target


def replace_file(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, bring it to the disk and give it its name: `target` is the old file or the new one.

    Args:
        target: the name, as `check_replaceable` returned it.
        write: writes the file of the name that it is given.

    Raises:
        OSError: if it could not be written; the old file stays.
    """
    handle, aside = _file_aside(target)
    try:
        write(aside)
        _to_disk(aside)
        with suppress(FileNotFoundError):
            shutil.copymode(target, aside)
        os.replace(aside, target)
    except OSError as error:
        raise OSError(f"{target}: could not be written, what was there before is unchanged: {error}") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        os.close(handle)
    with suppress(OSError):  # not every file system knows how
        _to_disk(target.parent)


def _file_aside(target: Path) -> tuple[int, Path]:
    """A new file beside a target, locked as long as it is open, so that nobody takes it for a dead writer's."""
    while True:
        aside = target.with_name(f".stochq-{secrets.token_hex(8)}.partial")
        try:
            handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            raise OSError(f"{target}: could not be written, what was there before is unchanged: {error}") from error
        with suppress(Held):
            lock(handle)
            if is_at(handle, aside):
                return handle, aside
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in a folder: files aside that nobody has locked."""
    for aside in folder.glob(".stochq-*.partial"):
        with suppress(OSError, Held):
            handle = os.open(aside, os.O_RDONLY)
            try:
                if lock(handle):
                    aside.unlink()
            finally:
                os.close(handle)


def free_name(path: Path, word: str) -> Path:
    """A name beside `path` that nothing has: qubit.word.nc, qubit.word-2.nc, ..."""
    candidate, number = path.with_name(f"{path.stem}.{word}{path.suffix}"), 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}.{word}-{number}{path.suffix}")
    return candidate


def is_picture(path: Path) -> bool:
    """Whether a file begins as pictures do."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError), gzip.open(path) as file:
            start = file.read(4096)
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return is_webp or start.startswith(PICTURE_BEGINNINGS) or b"<svg" in start


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
