"""Runs of trajectories that jump: pure states, or density matrices given the jumps that are seen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stochq.measurement import Clicks
from stochq.qutip.counted import Between, JumpTimes, conditional_states
from stochq.qutip.liouvillians import Generator
from stochq.qutip.runs import Outcome, Request, Setup, run
from stochq.real_parts import is_hermitian


def jumps_of(clicks: Mapping[str, Clicks], names: Sequence[str]) -> list[JumpTimes]:
    """The jumps of every trajectory in the order of time.

    Args:
        clicks: of all counters, by name.
        names: of the counters, in the order of the operators.
    """
    each = [clicks[name] for name in names]
    trajectory, time = (np.concatenate([getattr(one, field) for one in each]) for field in ("trajectory", "time"))
    which = np.repeat(np.arange(len(each)), [len(one.time) for one in each])
    order = np.lexsort((time, trajectory))
    # A trajectory that failed has one time, which is no number.
    order = order[~np.isnan(time[order])]
    ends = np.searchsorted(trajectory[order], np.arange(each[0].trajectories + 1))
    parts = [order[first:last] for first, last in zip(ends[:-1], ends[1:], strict=True)]
    return [JumpTimes(time[part], which[part]) for part in parts]


def run_counted(
    setup: Setup, names: Sequence[str], generator: Generator, watched: np.ndarray, request: Request
) -> Outcome:
    """Density matrices given the jumps of watched operators, which those of pure states make at the right times.

    Whoever follows a pure state sees every jump, and jumps of the watched operators come as often and as close to each
    other as to somebody who sees these alone. The states of the latter follow from those times without an error.

    Args:
        setup: of the pure states.
        names: of the counters of the watched operators.
        generator: what acts unseen.
        watched: (J, dim, dim).
        request: what is kept.
    """
    outcome = run(setup, replace(request, values=False, states=False, density=False))
    start = setup.state.proj() if setup.state.isket else setup.state
    between = Between(generator.hamiltonian, generator.operators, watched)
    jumps = jumps_of(outcome.clicks, names)
    parts: list[dict[str, np.ndarray]] = []
    kept: list[np.ndarray] = []
    total = np.zeros((len(setup.times), *start.shape), complex)
    for states in conditional_states(between, watched, start.full(), setup.times, jumps):
        parts.append({name: _values(operator, states) for name, operator in setup.observables.items()})
        total += states.sum(axis=0)
        if request.states:
            kept.append(states)
    values = {name: np.concatenate([part[name] for part in parts]) for name in setup.observables}
    density = total / len(jumps) if request.density else None
    return replace(
        outcome,
        ensemble=replace(outcome.ensemble, density=density),
        values=values,
        states=np.concatenate(kept) if kept else None,
        beyond_ensemble=True,
    )


def _values(operator: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Tr Aρ in every run at every time, (run, T)."""
    if operator.ndim == 1:
        return np.einsum("i,rtii->rt", operator, states).real
    found = np.einsum("ij,rtji->rt", operator, states, optimize=True)
    return found.real if is_hermitian(operator) else found
