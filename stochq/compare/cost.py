"""Whether the master equation gives the same averages faster than an ensemble does."""

from typing import NamedTuple

import jax
import numpy as np

from stochq.accuracy.work import DENSE_GAIN, basis_key, changes_basis, flow_of, is_light, work_of_step
from stochq.arrays import Times, check_numbers
from stochq.channels import Channel, DenseOperators
from stochq.channels.flow import LARGEST_MEAN_MAP
from stochq.ensemble.devices import block_size
from stochq.ensemble.pilots import pilot_size
from stochq.equation import Equation
from stochq.exact import liouvillian
from stochq.exact.inputs import LARGEST_DIM
from stochq.exact.parts import bases_and_frequencies, why_not_splittable
from stochq.noise import Coloured
from stochq.systems.banded import Banded
from stochq.systems.checks import check_times
from stochq.systems.driven import Driven
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import DiagonalHamiltonian

# All in units of about a tenth of a nanosecond on two cores, fitted to what `python -m benchmarks crossover` measures.
# One element of ρ at one saved time of a closed form; of the exponential of the generator over its d⁶.
_CLOSED, _EXPONENTIAL = 100.0, 12.0
# The splitting per radian of the fastest element: many short calls however small ρ is, and the elements of ρ, which
# memory holds up more than the products between bases do. The Runge-Kutta method: applications per radian.
_SPLIT_RADIAN, _SPLIT_ELEMENT, _ODE_PER_RADIAN = 2e6, 500.0, 12.0
# A call that has nothing to do.
_CALLS = {"closed-form": 1e7, "liouvillian": 2e7, "split": 4e7, "ode": 8e7, "none": np.inf}
_ENSEMBLE_CALL = 6e7
# Where pilots choose the step, each is run at several steps.
_PILOT_RUNS = 2.0
# Where steps may alias a Bohr frequency, each interval takes so many steps more: 7 of them, and their halves.
_ALIASING_STEPS = 21.0
# Elsewhere the step follows from the mean density matrix, in a few products of matrices.
_MEAN_CALL, _MEAN_MAP = 5e7, 200.0
# Up to this dimension the Hamiltonian's spectrum is asked for.
_LARGEST_DIAGONALISED = 1024


class CostHint(NamedTuple):
    """method: what `sq.exact.evolve` would use, "none" where it refuses; exact, ensemble: estimated work in the same
    unit (about a tenth of a nanosecond on two cores), exact infinite where there is no method."""

    method: str
    exact: float
    ensemble: float

    @property
    def exact_is_faster(self) -> bool:
        """Whether the master equation is the cheaper tool for averages."""
        return self.exact < self.ensemble

    def __str__(self) -> str:
        if self.method == "none":
            return "averages linear in the density matrix: no master equation within reach, only an ensemble"
        tool, ratio = ("master equation", self.ensemble / self.exact)
        if not self.exact_is_faster:
            tool, ratio = "ensemble", self.exact / self.ensemble
        return (
            f"averages linear in the density matrix: the {tool} is faster, by about {ratio:.1g} times ({self.method})"
        )


def cost_hint(equation: Equation, times: Times, *, trajectories: int, steps: int) -> CostHint:
    r"""Estimated work of `sq.exact.evolve` and of an ensemble, from sizes alone; nothing is run.

    With d levels, T saved times and ω the fastest rate or frequency difference, the master equation costs
      "closed-form"  O(T d²), and O(d³) more where a basis has to be found or left;
      "liouvillian"  O(d⁶) once and O(T d⁴);
      "split"        O(ωt) times O(d²), which memory holds up more than the products between bases do;
      "ode"          O(ωt) times O(d²) for each banded or diagonal operator and O(d³) for each dense one;
    an ensemble trajectories × steps × (random numbers + O(d), or O(d²) where a step holds a dense matrix), the pilots
    that choose a step included, and both something for the call itself. Counted operations, whose constants were
    fitted to measured calls on two cores (`python -m benchmarks crossover`, five models, d = 2 to 4096): three ratios
    in four are right to a factor of 3 there, nearly all to 10. Levels that stay empty are counted although adaptive
    methods do not feel them: beyond some hundred levels the master equation may be faster than estimated. Only averages
    linear in ρ can be had from either: single runs, records and nonlinear quantities need trajectories.

    trajectories, steps: of the ensemble, `result.trajectories` and `result.info["steps"]`.

    >>> import stochq as sq
    >>> qubit = sq.models.suv(sq.systems.levels([[0.0, 0.5], [0.5, 0.0]]), strength=1.0)
    >>> cost_hint(qubit, [0.0, 1.0], trajectories=10_000, steps=20).exact_is_faster
    True
    """
    check_numbers("Ask outside of grad, vmap and jit.", equation=equation, times=times)
    times = check_times(times)
    for name, value in (("trajectories", trajectories), ("steps", steps)):
        if not value >= 1:
            raise ValueError(f"{name}: expected a positive number; got {value!r}.")
    method, exact = _exact(equation, times)
    exact += _CALLS[method]
    # An ensemble of fewer than two blocks leaves a core without work.
    least = max(float(trajectories), 2.0 * _block(equation, int(trajectories)))
    ensemble = least * float(steps) * work_of_step(equation)
    ensemble += _choice_of_step(equation, times, int(trajectories), float(steps))
    return CostHint(method, exact, _ENSEMBLE_CALL + ensemble)


def _choice_of_step(equation: Equation, times: np.ndarray, trajectories: int, steps: float) -> float:
    """What the choice of the step costs: nothing where means have no error at any."""
    flows = [not c.missing_flow(c.law) and flow_of(c).mean_limit > 0 for c in equation.channels]
    known = all(flows) and equation.colour is None and not equation.time_dependent
    if known and _diagonal_with(equation):
        return 0.0
    if known and equation.dim <= LARGEST_MEAN_MAP:
        return _MEAN_CALL + _MEAN_MAP * float(equation.dim) ** 3
    intervals, longest = len(times) - 1, float(np.diff(times).max())
    may_alias = equation.time_dependent or 0.5 * _fastest(equation) * longest >= 2 * np.pi
    return (
        (_PILOT_RUNS * steps + _ALIASING_STEPS * intervals * may_alias)
        * pilot_size(trajectories, equation.dim)
        * work_of_step(equation)
    )


def _block(equation: Equation, trajectories: int) -> int:
    """Trajectories of one block of a run of so many."""
    flows = [flow_of(c) for c in equation.channels if not c.missing_flow(c.law)]
    smallest = max((flow.smallest_block for flow in flows), default=1)
    return block_size(equation.dim, smallest, trajectories)


def _exact(equation: Equation, times: np.ndarray) -> tuple[str, float]:
    dim, saved, span = equation.dim, len(times), float(times[-1] - times[0])
    if dim > LARGEST_DIM:
        return "none", 0.0
    rotation = 16 * float(dim) ** 3 / DENSE_GAIN
    rotated = any(changes_basis(equation, channel) for channel in equation.channels)
    parts = {basis_key(equation, channel) for channel in equation.channels}
    alone = not why_not_splittable(equation) and _diagonal_with(equation)
    if equation.colour is not None and not (alone and isinstance(equation.colour, Coloured)):
        return "none", 0.0
    if alone:
        return "closed-form", saved * _CLOSED * dim**2 + (saved + 10) * rotation * rotated
    if dim <= liouvillian.LARGEST_DIM and not equation.time_dependent:
        return "liouvillian", _EXPONENTIAL * dim**6 + saved * 8.0 * dim**4
    radians = max(1.0, _fastest(equation) * span)
    if not why_not_splittable(equation):
        between = len(parts) ** 2
        return "split", radians * between * (_SPLIT_RADIAN + _SPLIT_ELEMENT * dim**2) + 10 * rotation
    dense = 0 if is_light(equation) else 1
    dense += sum(isinstance(channel, DenseOperators) for channel in equation.channels)
    return "ode", radians * _ODE_PER_RADIAN * (60.0 * dim**2 + dense * 2 * rotation)


def _diagonal_with(equation: Equation) -> bool:
    """Whether the Hamiltonian and all channels are diagonal in one basis."""
    bases = {basis_key(equation, channel) for channel in equation.channels}
    if len(bases) != 1:
        return not bases
    if isinstance(equation.hamiltonian, DiagonalHamiltonian):
        return bases <= {None, "energy"}
    if bases == {"energy"} or isinstance(equation.hamiltonian, (Driven, Particle, Banded)):
        return bases == {"energy"}
    return equation.dim <= _LARGEST_DIAGONALISED and len(bases_and_frequencies(equation)[0]) == 1


def _fastest(equation: Equation) -> float:
    """The fastest rate or frequency difference, 1/time, from sizes where no spectrum is at hand."""
    energies = 0.0
    if equation.dim <= _LARGEST_DIAGONALISED:
        energies = float(np.ptp(np.asarray(equation.hamiltonian.energies)))
    rates = [_rate(channel) for channel in equation.channels]
    return energies / float(equation.hbar) + sum(rates)


def _rate(channel: Channel) -> float:
    if channel.time_dependent:
        # At coefficients of 1: how large they become depends on the run.
        return float(np.abs(channel.total_loss()).max())
    if channel.is_secular:
        leaves = [np.abs(np.asarray(leaf)).max() for leaf in _arrays(channel)]
        return float(max(leaves, default=1.0))
    return float(np.max([np.abs(leaf).max() ** 2 for leaf in _arrays(channel)], initial=1.0))


def _arrays(channel: Channel) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(channel) if np.ndim(leaf) > 0]
