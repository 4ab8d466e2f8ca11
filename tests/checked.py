"""Which annotations are held against what comes, while the tests run."""

from functools import cache

from beartype import BeartypeConf, FrozenDict, beartype


def arguments(function):
    """beartype, to which what users may give is anything: the library refuses it by errors that say what to do."""
    return _checker()(function)


@cache
def _checker():
    # Imported late: this is called while stochq is being imported.
    from stochq import aliases

    given = [value for value in vars(aliases).values() if type(value) is aliases.TypeAliasType]
    return beartype(conf=BeartypeConf(hint_overrides=FrozenDict(dict.fromkeys(given, object))))
