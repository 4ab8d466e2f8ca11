"""The master equation solved without sampling."""

import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from stochq.arrays import Observable, StateLike, Times, check_numbers
from stochq.equation import Equation
from stochq.equation_input import as_equation, observables_of, parts_known
from stochq.exact.coloured import refuse_coloured
from stochq.exact.inputs import initial_density
from stochq.exact.methods import Method, choose, solve
from stochq.exact.readout import Readout
from stochq.exact.result import ExactResult
from stochq.exact.typical import LARGEST_DENSE, PROPAGATION_ERROR, check_feasible, evolve_typical, why_not_typical
from stochq.systems.checks import check_times
from stochq.systems.margins import Ends

# Density matrices at all times are kept below this many bytes.
KEPT_BYTES = 512 * 2**20
_DIFFERENTIABLE = (
    "Use sq.exact.expectations, whose means are a JAX function of the equation, the state and the observables."
)


def _is_typical(equation: Equation, method: str, state: StateLike) -> bool:
    """Whether the mean is had without a matrix. Raises: ValueError where it is not had at all."""
    if not isinstance(method, str):
        raise ValueError(f"method: expected the name of one, such as 'auto'; got {type(method).__name__}.")
    if method == "typicality" and (reason := why_not_typical(equation)):
        raise ValueError(f'method: "typicality" does not apply, {reason}. Use method="auto".')
    if method == "auto":
        check_feasible(equation)
    return method == "typicality" or (
        method == "auto"
        and equation.hamiltonian.is_matrix_free
        and not why_not_typical(equation)
        # A density matrix has no pure state to propagate; where there is memory for it the equation is solved as usual.
        and not (equation.dim <= LARGEST_DENSE and getattr(state, "shape", ()) == (equation.dim, equation.dim))
    )


def evolve(
    equation: Equation,
    psi0_or_rho0: StateLike,
    times: Times,
    *,
    observables: Mapping[str, Observable] | Sequence[str] | None = None,
    method: Method = "auto",
) -> ExactResult:
    r"""The ensemble's exact density matrix and expectation values, in double precision.

    $$\dot\rho = -\tfrac{i}{\hbar}[H, \rho] + \sum_k\big(L_k\rho L_k^\dagger - \tfrac12\{L_k^\dagger L_k, \rho\}\big)$$

    psi0_or_rho0: a normalised ket (dim,) or a density matrix (dim, dim); times: (T,) increasing, the start included.
    observables: as for `sq.simulate`: {name: (dim,) diagonal | (dim, dim) matrix | callable(psi) -> number},
    complex where operators are not Hermitian or functions have complex values.
    A callable is evaluated on the eigenvectors of ρ, Σ_k w_k f(v_k), right for f quadratic in ψ such as the momentum
    and the energy on a grid; others are named in `left_out`. sq.Density and sq.Histogram entries are skipped.
    method: "auto" takes the first that applies of
      "closed-form"  all terms diagonal in one basis: OQT, energy-driven collapse, no Hamiltonian; exact;
      "liouvillian"  the exponential of the whole generator, dim <= 16, no time dependence; exact;
      "split"        diagonal and transition channels in several bases: extrapolated splitting, error below 1e-8;
      "ode"          everything else, by a Runge-Kutta method of order 8, and a check of the others.

      "typicality"   a Hamiltonian that is never a matrix, alone or with thermalization towards its `Equilibrium`: one
                     state is propagated and traces are over random vectors, whose error is `ExactResult.stderr`.

    Noise with a colour has no master equation: only where all terms are diagonal in one basis is ρ known, in closed
    form, and returned; times[0] is then when the state was made, whatever the noise did before.

    Raises:
        ValueError: for arguments that do not fit, a method that does not apply, or coloured noise that does not commute
            with the Hamiltonian.
        RuntimeError: if the integration fails.

    >>> import stochq as sq
    >>> equation = sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=1.0, equilibrium=[0.5, 0.5])
    >>> sq.exact.evolve(equation, [1.0, 0.0], [0.0, 2.0], observables={"p": [1.0, 0.0]}).expect["p"].round(4)
    array([1.    , 0.5677])
    """
    started = time.perf_counter()
    check_numbers(_DIFFERENTIABLE, equation=equation, psi0_or_rho0=psi0_or_rho0, times=times, observables=observables)
    equation = as_equation(equation)
    times, dims = check_times(times), parts_known(equation, psi0_or_rho0)
    plain = {} if observables is None else observables_of(equation, observables)
    if _is_typical(equation, method, psi0_or_rho0):
        with jax.enable_x64(True):
            seen = evolve_typical(equation, psi0_or_rho0, times, plain)
        seconds, shared = time.perf_counter() - started, (seen.left_out, seen.sizes, seen.ranges, seen.deviations)
        return ExactResult(times, seen.expect, None, "typicality", PROPAGATION_ERROR, seconds, 0, *shared)
    rho = initial_density(psi0_or_rho0, equation.dim)
    chosen, parts = choose(equation, method)
    if equation.colour is not None:
        refuse_coloured(equation, parts, method)
    with jax.enable_x64(True):
        readout = Readout(plain, equation.dim)
        kept = len(times) * rho.nbytes < KEPT_BYTES
        density = np.empty((len(times), *rho.shape), np.complex128) if kept else None
        values = np.empty((len(times), len(readout.names)), np.complex128)
        error, steps, ends = 0.0, 0, Ends(equation.hamiltonian.margins)
        for index, solved in enumerate(solve(equation, parts, rho, times, chosen)):
            values[index], error, steps = readout(solved.rho), solved.error, solved.steps
            if density is not None:
                density[index] = solved.rho
            ends.look(solved.rho)
    ends.warn()
    expect = readout.by_name(values)
    seconds = time.perf_counter() - started
    left_out, sizes, ranges = readout.left_out, readout.sizes, readout.ranges
    return ExactResult(times, expect, density, chosen, error, seconds, steps, left_out, sizes, ranges, dims=dims)
