"""The base of what equations, schemes and their parts are made of."""

import equinox as eqx


class Module(eqx.Module):
    """An equinox module whose methods are ordinary ones.

    Equinox makes every bound method a module of its own when it is looked up, so that it can be traced as an argument.
    Nothing here is passed like that, and a short run would spend a tenth of its time on it.
    """

    __getattribute__ = object.__getattribute__
