"""Pauli strings with coefficients, as a dictionary or as text."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stochq.arrays import ComplexNumber, is_concrete

# A string of Pauli matrices: sites and letters, sites ascending; the empty one is the identity.
String = tuple[tuple[int, str], ...]

_FACTOR = re.compile(r"([IXYZ])(\d+)$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
# What is meant as a factor: in small letters, or behind a number without a blank.
_NEARLY = re.compile(r"([+-]?[\d.]*(?:e[+-]?\d+)?)([IXYZ])_?(\d+)$", re.IGNORECASE)
_EXAMPLE = 'Write a dictionary {"Z0 Z1": -1.0, "X3": 0.9}, or text "-1.0 Z0 Z1 + 0.9 X3".'


def parse_terms(sites: int, terms: object) -> dict[String, ComplexNumber]:
    """The strings and their coefficients; equal strings add up.

    Raises:
        ValueError: for text that is no sum of Pauli strings, a site that is not there or named twice in a string, and
            coefficients that are not real and finite, with which the sum would not be Hermitian.

    >>> parse_terms(2, "1.5 Z0 Z1 - X1")
    {((0, 'Z'), (1, 'Z')): 1.5, ((1, 'X'),): -1.0}
    """
    if isinstance(terms, str):
        pairs = [_read_term(text) for text in _split(terms)]
    elif isinstance(terms, Mapping):
        pairs = [(str(name), coefficient) for name, coefficient in terms.items()]
    else:
        raise ValueError(f"terms: expected a dictionary or text; got {type(terms).__name__}. {_EXAMPLE}")
    if not pairs:
        raise ValueError(f"terms: expected at least one Pauli string; got none. {_EXAMPLE}")
    total: dict[String, ComplexNumber] = {}
    for name, coefficient in pairs:
        string = parse_string(sites, name)
        _check_coefficient(name, coefficient)
        total[string] = total[string] + coefficient if string in total else coefficient
    return total


def parse_string(sites: int, name: str) -> String:
    """A string such as "Z0 Z1", "X3" or "" for the identity; factors may be separated by blanks or by *."""
    factors = []
    for text in name.replace("*", " ").split():
        match = _FACTOR.match(text)
        if match is None and text == "I":
            continue
        if match is None:
            raise ValueError(
                f"terms: expected factors such as X3, Y0 or Z11; got {text!r} in {name!r}. {_repair(text)}{_EXAMPLE}"
            )
        letter, site = match[1], int(match[2])
        if not site < sites:
            raise ValueError(f"terms: expected sites from 0 to {sites - 1}; got {site} in {name!r}.")
        factors.append((site, letter))
    named = [site for site, _ in factors]
    if len(set(named)) < len(named):
        raise ValueError(
            f"terms: expected one Pauli matrix for each site; {name!r} has several at one. Multiply them out: XY = iZ."
        )
    return tuple(sorted(factor for factor in factors if factor[1] != "I"))


def _repair(text: str) -> str:
    """What to write instead of a factor in small letters, or of one that a number touches."""
    factor = _NEARLY.match(text)
    if factor is None:
        return ""
    number, letter, site = factor[1], factor[2].upper(), factor[3]
    return f"Did you mean {number + ' ' if number else ''}{letter}{site}? "


def written(string: String) -> str:
    """A string as text.

    >>> written(((0, "Z"), (1, "Z")))
    'Z0 Z1'
    """
    return " ".join(f"{letter}{site}" for site, letter in string)


def _split(text: str) -> list[str]:
    """The terms of a sum, with their signs: a sign begins a term unless it is that of an exponent."""
    lines = text.replace(";", "\n").replace(",", "\n").splitlines()
    pieces: list[str] = []
    for line in lines:
        pieces += re.split(
            r"(?<![eE\d.])\s*(?=[+-])|\s+(?=[+-])|(?<=[\d])(?=[+-]\s*[\d.]*\s*\*?\s*[IXYZ])", line.strip()
        )
    return [piece for piece in pieces if piece.strip()]


def _read_term(text: str) -> tuple[str, float]:
    """The string of a term and its coefficient, 1 where none is written."""
    text = text.strip()
    sign = -1.0 if text.startswith("-") else 1.0
    parts = text.lstrip("+-").replace("*", " ").split()
    if not parts:
        raise ValueError(f"terms: expected a Pauli string; got {text!r}. {_EXAMPLE}")
    if not _NUMBER.match(parts[0]):
        return " ".join(parts), sign
    return " ".join(parts[1:]), sign * float(parts[0])


def _check_coefficient(name: str, coefficient: Any) -> None:
    if np.ndim(coefficient) != 0:
        raise ValueError(f"terms: expected a number for {name!r}; got shape {np.shape(coefficient)}.")
    if not is_concrete(coefficient):
        return
    if not isinstance(np.asarray(coefficient).item(), (bool, int, float)) or not np.isfinite(coefficient):
        raise ValueError(
            f"terms: expected a real, finite coefficient for {name!r}, with which the sum is Hermitian; got "
            f"{coefficient!r}."
        )
