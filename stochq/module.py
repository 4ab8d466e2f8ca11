"""The base of what equations, schemes and their parts are made of."""

from typing import Any

import equinox as eqx
import jax


class Module(eqx.Module):
    """An equinox module whose methods are ordinary ones.

    Equinox makes every bound method a module of its own when it is looked up, so that it can be traced as an argument.
    A short run would spend a tenth of its time on it; `as_tree` does so where it is wanted.
    """

    __getattribute__ = object.__getattribute__


def as_tree(function: Any) -> Any:
    """A method of a module as a tree that holds the module's numbers; any other function as it is.

    Inside what is compiled a bare method would be one of its constants: compiled again for every module made anew.
    """
    owner = getattr(function, "__self__", None)
    return jax.tree_util.Partial(function.__func__, owner) if isinstance(owner, Module) else function
