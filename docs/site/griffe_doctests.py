"""Doctests become fenced code when the site is built; Markdown alone would read `>>>` as a quotation."""

import re
from typing import Any

import griffe

# Lines that begin with >>>, and what they print, up to an empty line.
DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?! *\n| *$).*)*", re.MULTILINE)


def fenced(text: str) -> str:
    """The text with every doctest in a block of code.

    >>> print(fenced("It adds.\\n\\n>>> 1 + 1\\n2"))
    It adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    return DOCTEST.sub(lambda match: f"{match['indent']}```pycon\n{match[0]}\n{match['indent']}```", text)


class Doctests(griffe.Extension):
    """Changes every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
