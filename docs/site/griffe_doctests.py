"""Docstrings as Markdown reads them: doctests become fenced code, and formulas within a line formulas within a line.

Markdown alone would read `>>>` as a quotation, and `$$` as a formula only at the beginning of a paragraph.
"""

import re
from typing import Any

import griffe

# Lines that begin with >>>, and what they print, up to an empty line.
DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?! *\n| *$).*)*", re.MULTILINE)

FORMULA = re.compile(r"(?P<before>^ *|\S.*?)\$\$(?P<formula>[^$]+)\$\$(?P<after>.*)$", re.MULTILINE)


def apart(text: str) -> str:
    """The text with every formula that has lines of its own as a paragraph, and every other one within its line.

    >>> print(apart("The force: $$F=ma$$, in newtons."))
    The force: $F=ma$, in newtons.
    >>> print(apart("The force:\\n$$F=ma$$\\nin newtons."))
    The force:
    <BLANKLINE>
    $$F=ma$$
    <BLANKLINE>
    in newtons.
    """
    return FORMULA.sub(_placed, text)


def _placed(match: re.Match[str]) -> str:
    before, formula, after = match["before"], match["formula"], match["after"]
    if before.strip() or after.strip():
        return f"{before}${' '.join(formula.split())}${apart(after)}"
    return f"\n{before}$${formula}$$\n"


def fenced(text: str) -> str:
    """The text with every doctest in a block of code.

    >>> fenced("It adds.\\n\\n>>> 1 + 1\\n2")
    'It adds.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```'
    """
    return DOCTEST.sub(lambda match: f"{match['indent']}```pycon\n{match[0]}\n{match['indent']}```", text)


class Doctests(griffe.Extension):
    """Changes every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = apart(fenced(obj.docstring.value))
