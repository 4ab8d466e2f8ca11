"""What the library says of arguments in Python, in the words of a configuration."""

import re
from collections.abc import Callable

# Arguments of the library that are tables here.
TABLES = {"psi0": "state", "hamiltonian": "system"}


def _named(match: re.Match[str]) -> str:
    return f'{match[1]} a model of kind "{match[2]}"'


def _assigned(match: re.Match[str]) -> str:
    return f"{match[1]} = {match[2].lower() if match[2] in ('True', 'False') else match[2]}"


def _quoted(match: re.Match[str]) -> str:
    return f'{match[1]}"{match[2]}"'


# In this order: sentences that a configuration has no use for, names of the library, then how values are written.
_WORDS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r", or give truncate=True for what is left of the state below the cutoff, normalised", ""),
    (r" jumps have no step: noise='jump';", ""),
    (r"Use sq\.canonical, sq\.microcanonical and models that take their result", "Take fewer sites"),
    (r"up to 4096 states sq\.systems\.ising and xxz have eigenstates", "chains of up to 12 sites have eigenstates"),
    (r"Lengthen the box: sq\.systems\.particle\(points, length, \.\.\.\)", "Lengthen the box, system.length"),
    (r",? or averages alone from sq\.exact\.evolve", ""),
    (r" Averages alone: sq\.exact\.evolve;", ""),
    (r"sq\.schemes\.Extrapolated\(sq\.schemes\.EulerMaruyama\(\)\)", '"extrapolated-euler-maruyama"'),
    (r"(?:sq\.schemes\.)?EulerMaruyama\(\)", '"euler-maruyama"'),
    (r"(?:sq\.schemes\.)?Strang\(\)", '"strang"'),
    (r"increments='discrete'", '"strang-discrete"'),
    (r"\b([Uu]se) sq\.models\.(\w+)(?:\([^()]*\))?", _named),
    (r"SphericalBrownian", "a spherical colour"),
    (r"\b(\w+)=None\b", r"no \1"),
    (r"\bexpected None\b", "expected no such key"),
    (r"\bgot None\b", "got nothing"),
    (r"\b([a-z_]+)=([\w\"'-])", r"\1 = \2"),
    (r"\b([a-z_]+) = (True|False)\b", _assigned),
    (r"((?:= |expected |got ))'(\w+)'", _quoted),
)


def in_toml(message: str) -> str:
    """A message of the library for those who wrote a configuration.

    >>> in_toml("records: expected a scheme that returns them: EulerMaruyama() does not. Use sq.schemes.Strang().")
    'records: expected a scheme that returns them: "euler-maruyama" does not. Use "strang".'
    >>> in_toml("precision: means differ. Take precision='double'.")
    'precision: means differ. Take precision = "double".'
    """
    for pattern, instead in _WORDS:
        message = re.sub(pattern, instead, message)
    return message
