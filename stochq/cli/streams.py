"""What the command prints, whatever its terminal or pipe can take."""

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout

# What stands for signs that a terminal has not.
_SIGNS = {
    "±": "+-",
    "→": "->",
    "…": "...",
    "−": "-",
    "×": "x",
    "²": "^2",
    "ψ": "psi",
    "ρ": "rho",
    "χ": "chi",
    "μ": "mu",
}


class Unbroken(io.FileIO):
    """A file that nobody may be reading any more: what is written to a closed pipe is lost, and the run goes on."""

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return len(data)


@contextmanager
def silent(asked: bool) -> Iterator[None]:
    """Where it is asked for, what is printed goes nowhere; warnings and errors are told all the same."""
    with ExitStack() as stack:
        if asked:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
        yield


def spelled_out(error: UnicodeError) -> tuple[str, int]:
    """In place of signs that an encoding has not, what is nearest to them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or _plain(sign) for sign in text), error.end


def _plain(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"


def print_anywhere() -> None:
    """Let stdout and stderr outlive their readers, and do with the signs that they have."""
    codecs.register_error("spelled out", spelled_out)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue  # there is none, or a program's own
        stream.flush()
        raw = io.BufferedWriter(Unbroken(number, "wb", closefd=False))  # type: ignore[arg-type]
        buffering = stream.line_buffering
        wrapped = io.TextIOWrapper(raw, stream.encoding, "spelled out", line_buffering=buffering)
        setattr(sys, name, wrapped)
