"""The ensemble's kernel as a function of the equation's parameters, through which gradients pass."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from stochq.accuracy.grid import check_step, time_grid
from stochq.arrays import ArrayLike, Observable, StateLike, Times, is_concrete
from stochq.ensemble.any_law import under_smooth_law
from stochq.ensemble.asked import check_options
from stochq.ensemble.events import (
    Scored,
    check_step_of_passages,
    functions_of_passages,
    held_frame,
    refusing_jumps,
)
from stochq.ensemble.given_step import warn_about_step
from stochq.ensemble.problem import build_problem, cast, check_counters
from stochq.ensemble.runner import precision_context
from stochq.ensemble.sampled_means import sampled_means, unrolled
from stochq.ensemble.step_at_hand import check_given_step, open_step
from stochq.ensemble.task import Task
from stochq.ensemble.which_loop import check_without_kernel
from stochq.equation import Equation, is_left_open
from stochq.equation_input import as_equation, observables_of, parts_known
from stochq.exact.expectations import expectations as exact_expectations
from stochq.exact.expectations import is_linear
from stochq.exact.inputs import LARGEST_DIM
from stochq.feedback import Loop, closed_loop
from stochq.forks import check_not_forked
from stochq.function_checks import check_state_function
from stochq.operators import as_array
from stochq.real_parts import by_observable, real_rows
from stochq.schemes import Scheme, Strang, check_scheme, default_differentiable_scheme, frame_of
from stochq.systems.checks import check_count, check_times
from stochq.systems.margins import check_start
from stochq.systems.states import check_state


def expectations(
    equation: Equation,
    psi0: StateLike,
    times: Times,
    *,
    observables: Mapping[str, Observable] | Sequence[str],
    trajectories: int | None = None,
    seed: int = 0,
    scheme: Scheme | None = None,
    dt: float | None = None,
    precision: Literal["single", "double"] = "single",
    feedback: Loop | None = None,
    gradient: Literal["pathwise", "likelihood-ratio"] = "pathwise",
) -> dict[str, jax.Array]:
    r"""Ensemble means as a JAX function of the equation's parameters, with derivatives: exact, or those of `simulate`.

    Without `trajectories` and `dt` they are exact, by the master equation as in `sq.exact.expectations`, for all
    observables that are operators. With trajectories they are means over them:

    $$\bar f(t;\theta) = \frac1N\sum_{n=1}^N f\big(\psi_n(t;\theta)\big),\qquad
      \frac{\partial\bar f}{\partial\theta}\ \text{on the same noise, unbiased for}\ \partial_\theta\,\mathrm E f$$

    Build the equation, or operators, from traced parameters inside the function that `jax.grad`, `jax.jvp` or `jax.jit`
    transforms: rates, strengths, weights, Hamiltonian parameters. Where one or two numbers of the equation move, such
    as the strengths of `sq.models.sui` or one traced rate of a real diagonal, a derivative in either mode costs for
    each of them a third of a run for collapse and a good run for the level by level steps of thermalization, and
    remembers no steps. A field in the Hamiltonian or an inverse temperature moves many: forward mode (jvp, jacfwd) then
    costs at most a good run per parameter and compiles faster; reverse mode (grad, jacrev) costs three to four runs in
    all for collapse and about five for thermalization, and remembers the states of all n steps where they take at most
    32 MiB, else of about 2√n. A parameter at which a rate is exactly zero has no derivative in a mean over
    trajectories: it comes out huge or NaN. Trajectories that become non-finite are not left out: they make the mean
    NaN.

    Args:
        equation, times, observables, seed: as for `sq.simulate`; noise="any" is unitary where that exists, whose
            gradients vary least, and real elsewhere.
        psi0: a ket (dim,), which may be traced and then has to be normalised; without trajectories and dt a density
            matrix (dim, dim) too.
        trajectories: how many are averaged; blocks of them are in memory at a time. None for exact means.
        scheme: None takes the best through which gradients pass, Strang(), with diffusive=True where its flow would
            draw an index: of weak order 2, the Hamiltonian by its exact propagator.
        dt: the step, in units of the times; a number, as `times` are. None, with trajectories: the longest whose bias
            stays below a tenth of the standard error at the parameters at hand, as `sq.simulate` finds it, and in
            `sq.fit` at those of its start; inside jit they are not known. A given dt whose bias is certainly larger is
            warned of where all parameters are numbers, as at the end of `sq.fit`.
        precision: "double" needs `jax.enable_x64(True)`.
        feedback: as for `sq.simulate`; the controller's numbers may be traced.
        gradient: "pathwise", along each trajectory, of smooth functions. "likelihood-ratio" for means over trajectories
            of any functions, indicators and histograms too: trajectories are held, and their probability has the
            derivative, $\partial\,\mathrm Ef = \mathrm E[(f-\bar f)\,\partial\ln p_\theta]$ (Glynn 1990), by rates
            of collapse onto levels (SUV) and of operators as of σ_z (one traced rate of a real diagonal of
            `sq.models.unravel`, or that of `sq.channels.Features`), by rate and length of CSL on a grid, all by white
            noise. Without bias, but its variance grows with the number of steps: take the longest dt that serves;
            without a Hamiltonian any does. `sq.FirstPassage` may be among the observables then.

    Returns:
        {name: (T,)} in the order of observables.

    Raises:
        ValueError: as `sq.simulate` does, for traced times or dt, for a scheme whose flow draws an index, for
            observables or noise of which exact means do not exist, without trajectories and dt, for likelihood ratios
            that are not known, with the reason; and, where a pathwise gradient is taken, for functions that are
            constant but for jumps.

    >>> import jax, numpy as np, stochq as sq
    >>> qubit = sq.systems.levels([0.0, 1.0])
    >>> def energy(strength):
    ...     equation = sq.models.oqt(qubit, strength=strength, equilibrium=[0.7, 0.3])
    ...     watched = {"energy": np.array([0.0, 1.0])}
    ...     return sq.expectations(equation, [0.0, 1.0], [0, 1], observables=watched)["energy"][-1]
    >>> bool(abs(jax.grad(energy)(1.0) + 0.7 * np.exp(-1)) < 1e-5)
    True
    """
    check_not_forked()
    _check_concrete({"times": times, "dt": dt, "trajectories": trajectories, "seed": seed})
    _check_precision(precision)
    _check_gradient(gradient)
    equation = as_equation(equation)
    parts_known(equation, psi0)
    state: Any = as_array("psi0", psi0)
    observables, levels = functions_of_passages(observables_of(equation, observables))
    _check_passages(levels, gradient, dt)
    if trajectories is None and dt is None and scheme is None and feedback is None and gradient == "pathwise":
        _check_exact(equation, observables)
        return exact_expectations(equation, state, times, observables=observables)
    if trajectories is None:
        raise ValueError(
            "trajectories: expected a number beside dt or scheme or feedback or gradient, for means over trajectories; "
            "got None."
        )
    check_without_kernel("sq.expectations, whose gradients pass through steps that are made one by one")
    if is_left_open(equation):
        equation = under_smooth_law(equation, observables)
    times = check_times(times)
    trajectories = check_count("trajectories", trajectories, 1)
    seed = check_count("seed", seed, 0, most=2**63 - 1)
    scored = gradient == "likelihood-ratio"
    scheme = _scheme(equation, scheme, scored, feedback)
    psi = _start(equation, state)
    rows = _rows(observables, equation.dim, scored)
    task = Task(equation, frame_of(equation), psi, times, rows, scheme, precision, seed)
    grid = time_grid(times, _step(task, trajectories, dt), edges=task.edges)
    if scored:
        task = replace(task, frame=held_frame(task.frame, psi, trajectories))
    problem = build_problem(task, grid, trajectories=trajectories)
    check_counters(problem, grid, trajectories)
    if scored:
        places = {problem.read.names.index(name): level for name, level in levels.items()}
        problem = problem._replace(read=Scored(problem.read, cast(places, precision)))
    with precision_context(precision):
        means = sampled_means(unrolled(problem, grid, trajectories), trajectories, scored)
    return by_observable(dict(zip(problem.read.names, means.T, strict=True)), observables)


def _check_concrete(given: Mapping[str, Any]) -> None:
    """ValueError for traced values where numbers are needed."""
    for name, value in given.items():
        if not is_concrete(value):
            raise ValueError(
                f"{name}: expected numbers, as the number of steps and the noise must be fixed; got a traced value. "
                "Scale the equation's energies and rates instead of the time."
            )


def _start(equation: Equation, state: Any) -> Any:
    """The initial ket, checked as far as it is known."""
    _check_ket(state, equation.dim)
    if not is_concrete(state):
        return jnp.asarray(state, jnp.result_type(state, np.complex64))
    psi = check_state(state, equation.dim)
    with jax.ensure_compile_time_eval():
        check_start(equation.hamiltonian.margins, psi)
    return psi


def _rows(observables: Mapping[str, Observable], dim: int, scored: bool) -> dict[str, Any]:
    """The observables as `Task` takes them; ValueError for functions of which no mean, or no derivative, is known."""
    for name, value in observables.items():
        if callable(value):
            check_state_function(f"observables[{name!r}]", value, dim)
    return real_rows(observables if scored else refusing_jumps(observables, dim), dim)


def _step(task: Task, trajectories: int, dt: float | None) -> float:
    """The step that is given, checked where all parameters are numbers, or one whose bias is small enough."""
    if dt is None:
        return open_step(task, trajectories)
    dt = check_step(task.times, dt)
    if is_concrete((task.equation, task.psi, task.observables, task.scheme, jnp.zeros(()))):
        warn_about_step(task, dt)
        check_given_step(task, trajectories, dt)
    return dt


def _scheme(equation: Equation, scheme: Scheme | None, scored: bool, feedback: Loop | None) -> Scheme:
    """The scheme that is given, checked, or the default; with the loop around it, if there is one."""
    if feedback is not None and any(channel.law.counts for channel in equation.channels):
        raise ValueError(
            "feedback: expected records that are currents; clicks draw whole numbers, which no gradient follows. Use "
            "sq.simulate for values."
        )
    if scored:
        _check_scored(equation, scheme, feedback)
    if scheme is None:
        scheme = Strang() if scored else default_differentiable_scheme(equation)
    check_scheme(scheme, equation)
    if not scored:
        check_differentiable(scheme, equation)
    return scheme if feedback is None else closed_loop(equation, scheme, feedback)


def _check_gradient(gradient: str) -> None:
    if not isinstance(gradient, str) or gradient not in ("pathwise", "likelihood-ratio"):
        raise ValueError(f"gradient: expected 'pathwise' or 'likelihood-ratio'; got {gradient!r}.")


def _check_passages(levels: Mapping[str, Any], gradient: str, dt: float | None) -> None:
    """ValueError for first passages without what their means need."""
    name = next(iter(levels), "")
    if levels and gradient == "pathwise":
        raise ValueError(
            f"observables[{name!r}]: expected gradient='likelihood-ratio' with a first passage, which jumps from one "
            "trajectory to the next; got 'pathwise'."
        )
    check_step_of_passages(levels, dt)


def _check_scored(equation: Equation, scheme: Scheme | None, feedback: Loop | None) -> None:
    """ValueError for what has no likelihood ratio."""
    if equation.colour is not None:
        raise ValueError(
            "gradient: expected 'pathwise' with coloured noise, whose numbers move the state in more than one step; "
            "got 'likelihood-ratio'. Take gradient='pathwise' and smooth functions."
        )
    if any(channel.law.counts for channel in equation.channels):
        raise ValueError(
            "gradient: 'likelihood-ratio' needs steps of which the probability density is known; noise='jump' and "
            "counters draw the times of clicks, whose density is not known here. Where all means are linear in the "
            "density matrix, noise='real' has the same."
        )
    if feedback is not None:
        raise ValueError("gradient: expected 'pathwise' with feedback, whose steps have no likelihood ratio.")
    if scheme is not None and not (isinstance(scheme, Strang) and scheme == Strang()):
        told = scheme.name if isinstance(scheme, Scheme) else repr(scheme)
        raise ValueError(
            "scheme: expected None or sq.schemes.Strang() with gradient='likelihood-ratio', whose steps have a known "
            f"probability density; got {told}. Leave out scheme, or take gradient='pathwise'."
        )


def _check_ket(psi0: ArrayLike, dim: int) -> None:
    """ValueError for a mixed state, from whose spectrum no trajectory draws here."""
    if np.shape(psi0) == (dim, dim):
        raise ValueError(
            f"psi0: expected a ket ({dim},) for means over trajectories; got a matrix ({dim}, {dim}). Leave out "
            "trajectories and dt for exact means of a density matrix, or add up the means of its eigenvectors with "
            "their weights."
        )
    if not is_concrete(psi0) and np.shape(psi0) != (dim,):
        raise ValueError(f"psi0: expected shape ({dim},), one ket of the equation's dimension; got {np.shape(psi0)}.")


def _check_exact(equation: Equation, observables: Mapping[str, Observable]) -> None:
    """ValueError where means are known from trajectories alone."""
    reason = "coloured noise has no master equation" if equation.colour is not None else ""
    if equation.dim > LARGEST_DIM:
        reason = f"a density matrix of {equation.dim} basis states does not fit"
    if not reason and not is_linear(observables, equation.dim):
        reason = "the mean of a function that is not quadratic in ψ is not known from the density matrix"
    if reason:
        raise ValueError(f"trajectories: expected a number, and dt: {reason}. Give both for means over trajectories.")


def check_differentiable(scheme: Scheme, equation: Equation) -> None:
    """ValueError for a scheme whose gradients would be silently wrong."""
    if scheme.differentiable(equation):
        return
    raise ValueError(
        f"scheme: expected one through which gradients pass; with {equation.noise!r} noise a flow of {scheme.name} "
        "draws a discrete index, which no gradient follows. Use sq.schemes.Strang(diffusive=True), or scheme=None."
    )


def _check_precision(precision: str) -> None:
    check_options(precision, None)
    if precision == "double" and jnp.zeros(()).dtype != np.float64:
        raise ValueError(
            "precision: expected 'single' outside jax.enable_x64; 'double' would lose its digits on the way back "
            "through a gradient. Put the whole computation inside `with jax.enable_x64(True):`."
        )
