"""The table [model.feedback] becomes another equation, or a loop beside it."""

from collections.abc import Iterable
from itertools import count

import numpy as np

import stochq as sq
from stochq.arrays import Array, is_concrete
from stochq.cli.build_model import Setting
from stochq.cli.build_operators import as_plain, operator_of
from stochq.cli.errors import ConfigError, nearest, report
from stochq.cli.feedback import Markovian, Proportional
from stochq.cli.fields import Operator, Section
from stochq.cli.models import Monitored


def with_feedback(
    section: Section, equation: sq.Equation, setting: Setting
) -> tuple[sq.Equation, sq.feedback.Loop | None]:
    """The equation of a model under its feedback, and the loop of a controller that answers late.

    Raises:
        ConfigError: for records that are not there or not of that kind, and operators that are not Hermitian.
        ValueError: from the library.
    """
    if not isinstance(section, Monitored) or section.feedback is None:
        return equation, None
    if isinstance(section.feedback, Markovian):
        return _markovian(section.feedback, section, equation, setting), None
    return equation, _proportional(section.feedback, section, setting)


def _markovian(table: Markovian, model: Monitored, equation: sq.Equation, setting: Setting) -> sq.Equation:
    suited = [name for name, one in model.detectors.items() if one.kind in ("homodyne", "counting")]
    forces = {}
    for name, force in table.forces.items():
        key = f"model.feedback.forces.{name}"
        _check_record(name, suited, "a homodyne detector or a counter", key, setting)
        dark = getattr(model.detectors[name], "dark", 0.0)
        if is_concrete(dark) and dark:
            expected = "a counter without dark counts, which kick a state that they tell nothing of"
            raise ConfigError(report(setting.place, key, expected, f"dark = {dark:g}"))
        forces[name] = force.strength * _hermitian(force, key, setting)
    return sq.models.markovian_feedback(equation, forces)


def _proportional(table: Proportional, model: Monitored, setting: Setting) -> sq.feedback.Loop:
    suited = [name for name, one in model.detectors.items() if one.kind == "homodyne"]
    _check_record(table.record, suited, "a homodyne detector", "model.feedback.record", setting)
    # The control has a name that no record has.
    control = next(name for i in count() if (name := f"control {i}") not in model.detectors)
    controller = sq.feedback.Proportional(
        table.record, control, gain=table.gain, time_constant=table.time_constant, target=table.target
    )
    return sq.feedback.Loop(controller, {control: _hermitian(table, "model.feedback", setting)})


def _check_record(name: str, suited: Iterable[str], what: str, key: str, setting: Setting) -> None:
    known = list(suited)
    if name not in known:
        expected = f"{what}: {', '.join(known) or 'this model has none'}{nearest(name, known)}"
        raise ConfigError(report(setting.place, key, expected, repr(name)))


def _hermitian(table: Operator, key: str, setting: Setting) -> Array:
    """The matrix (dim, dim) or diagonal (dim,) of a table. Raises: ConfigError where it is not Hermitian."""
    made = as_plain(operator_of(table, key, setting.system, setting.bare, setting.known, setting.place))
    if is_concrete(made) and not np.allclose(made, np.conj(made).T):
        raise ConfigError(report(setting.place, key, "a Hermitian operator: a sum such as A + A†", "one that is not"))
    return made
