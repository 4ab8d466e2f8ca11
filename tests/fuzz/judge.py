"""What a call may do: return finite numbers, or refuse by an error whose first line names the argument."""

import contextlib
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from stochq.cli.errors import ConfigError

# What no message to a user may hold: the words of JAX's, Python's and NumPy's errors.
BANNED = ("Tracer", "hash", "has no attribute", "object is not", "unsupported operand", "XlaRuntime", "jaxlib")
SECONDS = 20


class Fault(Exception):
    """What must not happen; faults of one kind have one cause."""

    def __init__(self, what: str, error: Exception | None = None) -> None:
        told = "" if error is None else f": {type(error).__name__}: {_first_line(error)} [{_place(error)}]"
        super().__init__(f"{what}{told}")
        self.kind = what if error is None else f"{what} {type(error).__name__} {_place(error)}"


class Hang(BaseException):
    """A call took too long. Not an Exception, so that nothing in the call catches it."""


class Stopped(BaseException):
    """A call came as far as it is to come: its arguments are accepted."""


def judged(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The outcome in one word: returned, accepted, or refused. Raises: Fault."""
    try:
        with _limited(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = function(**arguments)
    except Stopped:
        return "accepted"
    except Hang:
        raise Fault(f"no answer in {SECONDS} s") from None
    except (ValueError, TypeError) as error:
        _check_error(error, arguments)
        return "refused"
    except ConfigError as error:
        if not re.match(r"run\.toml: [A-Za-z_][\w.\[\], ]*(\n|: )", str(error)):
            raise Fault("no key is named", error) from error
        return "refused"
    except Exception as error:
        raise Fault("another error", error) from error
    _check_finite(value)
    return "returned"


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def hang(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _check_error(error: Exception, arguments: Mapping[str, Any]) -> None:
    line = _first_line(error)
    # An argument that is one of two things may be named as either.
    names = "|".join(re.escape(part) for name in arguments for part in (name, *name.split("_or_")))
    if not re.search(rf"(?<![A-Za-z_])({names})(?![A-Za-z_])", line.split(": ")[0]):
        raise Fault("no argument is named", error) from error
    for word in BANNED:
        if word in str(error):
            raise Fault("words of another library", error) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _place(error: Exception) -> str:
    """Where in the library it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/stochq/" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/stochq/')[2]}:{ours[-1].lineno}"


def _check_finite(value: Any) -> None:
    """Fault for NaN in what is returned; what failed is to be reported."""
    try:
        leaves = jax.tree_util.tree_leaves(value)
    except ValueError as error:
        raise Fault("what is returned is no tree of JAX's", error) from error
    for leaf in leaves:
        if isinstance(leaf, (float, complex, np.ndarray, np.generic, jax.Array)):
            array = np.asarray(leaf)
            if array.dtype.kind in "fc" and np.isnan(array).any():
                raise Fault(f"NaN without a word in {type(value).__name__}")
