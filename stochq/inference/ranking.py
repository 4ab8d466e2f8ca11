"""Which experiment determines a parameter best, before any is done."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from stochq.arrays import Parameters, Prediction, Times, check_numbers
from stochq.inference.bands import takes_times
from stochq.inference.coordinates import near
from stochq.inference.fisher import Information, classical_information, place_of
from stochq.inference.fit import checked_parameters
from stochq.inference.result import number, parameter_names

# Errors that differ by fewer of their own standard errors are not told apart.
_APART = 2.0


@dataclass(frozen=True)
class Ranking:
    """Experiments in the order of the standard error of a parameter to be expected, the smallest first.

    Attributes:
        parameter: its name.
        names: of the experiments.
        error: (n,) standard errors to be expected from one record, or from the means, all other parameters being
            unknown.
        stderr: (n,) how far `error` is uncertain, from the records that were drawn.
        information: {name: Information}.
    """

    parameter: str
    names: tuple[str, ...]
    error: np.ndarray
    stderr: np.ndarray
    information: dict[str, Information] = field(repr=False)

    @property
    def best(self) -> tuple[str, ...]:
        """The first, and all that cannot be told apart from it; none where no experiment determines the parameter."""
        told = zip(self.names, self.error, self._off, strict=True)
        return tuple(name for name, error, off in told if np.isfinite(error) and not off > _APART)

    @property
    def _off(self) -> np.ndarray:
        """By how many standard errors of both each error is above the first, (n,)."""
        spread = np.hypot(self.stderr, self.stderr[0])
        above = np.zeros(len(self.error))
        np.subtract(self.error, self.error[0], out=above, where=self.error > self.error[0])
        return np.where(above > 0, above / np.maximum(spread, 1e-300), 0.0)

    def __str__(self) -> str:
        width = max(len("experiment"), *map(len, self.names))
        lines = [f"{'experiment':<{width}}  {'error of ' + self.parameter:<20}  against the first"]
        for name, error, stderr, off in zip(self.names, self.error, self.stderr, self._off, strict=True):
            told = number(error, stderr) if stderr > 0 else f"{error:.4g}"
            lines.append(f"{name:<{width}}  {told:<20}  {self._against(error, off)}")
        if not self.best:
            return "\n".join([*lines, f"no experiment determines {self.parameter}"])
        lines[1] = lines[1][: lines[1].rindex("  ")].rstrip()
        return "\n".join(lines)

    __repr__ = __str__

    def _against(self, error: float, off: float) -> str:
        if not np.isfinite(error):
            return "not determined"
        ratio = f"{error / self.error[0]:.3g} times"
        return ratio if off > _APART else f"{ratio}, within the errors of both"


def design(
    predict: Prediction,
    theta: Parameters,
    candidates: Mapping[str, Mapping[str, object]],
    *,
    parameter: str,
    times: Times | None = None,
    stderr: Parameters | None = None,
    records: int = 1000,
    seed: int = 0,
) -> Ranking:
    r"""Experiments ranked by the standard error of one parameter to be expected, $\sqrt{(F^{-1})_{pp}}$.

    The other parameters are unknown in each of them, too. F is the classical information of `information`.

    Args:
        predict: as of `information`, with further arguments for what an experimenter chooses: times, observables,
            quadratures, initial states.
        theta: pytree of numbers, the parameters at which it is asked.
        candidates: {name: {argument: value}}, the further arguments of predict in each experiment. An experiment may
            have `times`, `stderr` and `records` of its own as well.
        parameter: the name of the one that counts, as in a fit's table.
        times: (T,) ends of the record's bins, as of `information`. Where predict has an argument of that name, as those
            of means do, it is given to predict.
        stderr: of the means, as of `information`.
        records: how many are drawn for each experiment.
        seed: of the records.

    Returns:
        The ranking, which prints as a table and says which experiments it cannot tell apart.

    Raises:
        ValueError: as of `information`; for no candidates, and arguments that predict does not take.

    >>> import jax.numpy as jnp, stochq as sq
    >>> def fringes(frequency, time):  # both quadratures of a coherence that decays at the rate 0.5
    ...     return jnp.exp((1j * frequency - 0.5) * time)
    >>> waits = {f"wait {time:g}": {"time": time} for time in (1.0, 2.0, 4.0)}
    >>> print(sq.inference.design(fringes, 3.0, waits, parameter="parameter", stderr=0.01))
    experiment  error of parameter    against the first
    wait 2      0.01359
    wait 1      0.01649               1.21 times
    wait 4      0.01847               1.36 times
    """
    check_numbers("Ask with numbers, outside grad, vmap and jit; predict alone is traced.", theta=theta)
    theta = checked_parameters(theta, "theta")
    place_of(parameter, parameter_names(theta))
    shared = {"times": times, "stderr": stderr, "records": records}
    if not isinstance(candidates, Mapping) or not candidates:
        raise ValueError("candidates: expected {name: {argument: value}} with at least one experiment.")
    found = {}
    for name, choices in candidates.items():
        chosen, options = _sorted_out(predict, theta, name, choices, shared)
        try:
            found[str(name)] = classical_information(partial(predict, **chosen), theta, seed=seed, **options)
        except ValueError as problem:
            raise ValueError(f"candidates[{name!r}]: {problem}") from None
    errors = {name: one.error(parameter) for name, one in found.items()}
    order = sorted(errors, key=lambda name: errors[name].value)
    value, spread = (np.array(column) for column in zip(*(errors[name] for name in order), strict=True))
    return Ranking(parameter, tuple(order), value, spread, {name: found[name] for name in order})


def _sorted_out(
    predict: Callable[..., Any], theta: Any, name: str, choices: Any, shared: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an experiment gives to predict, and what it gives to `classical_information`."""
    if not isinstance(choices, Mapping):
        raise ValueError(
            f"candidates[{name!r}]: expected a dict of arguments of predict; got {type(choices).__name__}."
        )
    options = {key: choices.get(key, value) for key, value in shared.items()}
    chosen = {key: value for key, value in choices.items() if key not in shared}
    if takes_times(predict) and options["times"] is not None:
        chosen["times"], options["times"] = options["times"], None
    try:
        inspect.signature(predict).bind(theta, **chosen)
    except TypeError as problem:
        known = [*list(inspect.signature(predict).parameters)[1:], *shared]
        hints = "".join(near(key, known) for key in chosen if key not in known)
        raise ValueError(f"candidates[{name!r}]: expected the arguments of predict; {problem}.{hints}") from None
    return chosen, options
