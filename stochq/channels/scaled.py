"""Numbers that one parameter multiplies, kept apart from it while it is traced.

A gradient then sees one parameter where it would see as many as there are numbers.
"""

from typing import Any, final

import jax
import jax.numpy as jnp

from stochq.arrays import Array, ArrayLike, Number, as_real, is_concrete
from stochq.module import Module
from stochq.systems.checks import check_rates


@final
class Scaled(Module):
    """factor · weights. factor: a traced number."""

    factor: Number
    weights: Array

    def product(self) -> Array:
        return jnp.asarray(self.factor) * self.weights


def scaled(factor: Number, weights: Array) -> Array | Scaled:
    """factor · weights, multiplied where the factor is known."""
    return factor * weights if is_concrete(factor) else Scaled(factor, weights)


def product(values: Array | Scaled) -> Array:
    """The numbers themselves."""
    return values.product() if isinstance(values, Scaled) else values


def checked_rates(name: str, values: ArrayLike | Scaled) -> Array | Scaled:
    """Rates (dim,) as float64 unless traced. Raises: ValueError, if they are none."""
    if isinstance(values, Scaled):
        check_rates(name, values.product(), "(dim,)")
        return values
    check_rates(name, values, "(dim,)")
    return as_real(values)


def multiplied(tree: Any) -> Any:
    """The same with the numbers themselves everywhere, so that no step multiplies them again."""

    def whole(node: Any) -> Any:
        return node.product() if isinstance(node, Scaled) else node

    return jax.tree.map(whole, tree, is_leaf=lambda node: isinstance(node, Scaled))
