"""Locks on files that die with their process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where what is not locked is not shared either
    fcntl = None


class Held(Exception):
    """The lock is held by another process, or by another call in this one; its text tells by whom."""


def lock(handle: int) -> bool:
    """Take the lock of an open file; False where the file system has none. Raises: Held."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Held from None
    except OSError:
        return False
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether an open file still has that name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of the file `path`, which is there for nothing else and goes with the lock.

    Yields whether the file system has locks. Raises: Held, OSError if the file cannot be made.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            has_locks = lock(handle)
        except Held:
            holder = os.read(handle, 100).decode(errors="replace").strip()
            os.close(handle)
            raise Held(holder or "another process") from None
        if is_at(handle, path):
            break
        os.close(handle)  # its last holder removed it between the two calls
    try:
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {_host()}\n".encode())
        yield has_locks
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def holder_of(path: Path) -> str:
    """Who holds the lock of the file `path`, as "process 12 on there"; empty where nobody does.

    Of another machine's process the file alone tells, which a killed one leaves behind.
    """
    try:
        with path.open("rb") as file:
            text = file.read(100).decode(errors="replace").strip()
            if not text.endswith(f" on {_host()}"):
                return f"{text}, by the word of {path.name}"
            if _is_alive(text):
                lock(file.fileno())
    except Held:
        return text
    except OSError:
        pass
    return ""


def _is_alive(text: str) -> bool:
    """Whether there is a process of that number here. The lock of a dead one is let be: a new run may be taking it."""
    try:
        os.kill(int(text.split()[1]), 0)
    except (ProcessLookupError, ValueError, IndexError):
        return False
    except PermissionError:
        pass
    return True


def _host() -> str:
    import platform

    return platform.node() or "this machine"
