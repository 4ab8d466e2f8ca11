"""Errors in QuTiP's words: what stochq calls times is a tlist to who wrote one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_WORDS = (
    (r"hamiltonian\b", "H"),
    (r"times\b", "tlist"),
    (r"trajectories\b", "ntraj"),
    (r"tolerance\b", "target_tol"),
    (r"observables\['?([^:]*?)'?\]", r"\1"),
    (r"detectors\['(.*?)'\]", r"\1"),
    (r"dt\b", "options['dt']"),
    (r"seed\b", "seeds"),
)


@contextmanager
def in_qutips_words(**names: str) -> Iterator[None]:
    """ValueErrors of what is done inside begin with QuTiP's name of the argument.

    names: further ones, {stochq's word: QuTiP's}; a word may be a regular expression's beginning.
    """
    words = (*((re.escape(ours), theirs) for ours, theirs in names.items()), *_WORDS)
    try:
        yield
    except ValueError as error:
        message = str(error)
        for ours, theirs in words:
            told, count = re.subn(f"^{ours}(?=[:\\[])", theirs, message)
            if count:
                raise ValueError(told) from error
        raise
