"""Programs compiled of a user's prediction: kept for the next call, with tracing that fails told in words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar, final

import jax
import numpy as np

from stochq.function_checks import TRACING_ERRORS
from stochq.held import held_numbers

# Those of a session at work, each with some megabytes of code.
_KEPT = 8

Program = TypeVar("Program")


@final
class Programs(Generic[Program]):
    """Programs by prediction, structure and shapes of its parameters, and whatever else they are made for."""

    def __init__(self, make: Callable[..., Program]) -> None:
        self._make = make
        # What predict reads from outside is a part of the key alone.
        self._kept = lru_cache(maxsize=_KEPT)(lambda held, *arguments: make(*arguments))
        self.cache_info = self._kept.cache_info

    def of(self, predict: Callable[[Any], Any], like: Any, *others: Any) -> Program:
        """That of predict at parameters like these, from those kept where predict can be looked up among them."""
        leaves, structure = jax.tree_util.tree_flatten(like)
        shapes = tuple(np.shape(leaf) for leaf in leaves)
        try:
            hash(predict)
        except TypeError:
            return self._make(predict, structure, shapes, *others)
        return self._kept(held_numbers(predict), predict, structure, shapes, *others)


class NotTraceable(ValueError):
    """A prediction that JAX cannot compile."""


@contextmanager
def tracing_predict() -> Iterator[None]:
    """Errors of JAX for what needs the parameters' numbers as NotTraceable, in words."""
    try:
        yield
    except TRACING_ERRORS as error:
        raise NotTraceable(
            "predict: expected a function of the parameters that JAX can compile; got one that needs their numbers "
            "beforehand, as NumPy, math and `if` do, or arguments of the library that must be numbers. Write it with "
            "jax.numpy: jnp.where(x < 0, a, b) for `if x < 0`."
        ) from error
