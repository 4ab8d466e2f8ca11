"""QuTiP's mcsolve."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qutip import MCSolver, Qobj

from stochq.arrays import ArrayLike
from stochq.equation import Equation
from stochq.measurement import Detector, counting, unread
from stochq.models import monitored, unravel
from stochq.qutip.expectations import check_functions, expectations_of
from stochq.qutip.jump_result import JumpResult
from stochq.qutip.jumps import jumps_of, run_counted
from stochq.qutip.kinds import EOps, OperatorInTime, Operators
from stochq.qutip.liouvillians import Generator, generator_of
from stochq.qutip.options import COMMON, checked_options
from stochq.qutip.runs import Setup, run
from stochq.qutip.seeds import ranges_of
from stochq.qutip.stochastic import Asked, contents_of, request_of
from stochq.qutip.systems import (
    JumpOperator,
    constant_ones,
    evolving,
    hamiltonian_of,
    jump_operators_of,
    state_of,
    times_of,
)
from stochq.qutip.tolerances import end_condition, timeout_of
from stochq.qutip.words import in_qutips_words
from stochq.systems.checks import check_count

if TYPE_CHECKING:
    from numpy.random import SeedSequence

# QuTiP 5.3.1's options and defaults of its own. None of them is needed where jumps are found to rounding.
_OPTIONS: dict[str, Any] = {
    **{name: value for name, value in COMMON.items() if name != "normalize_output"},
    "method": "vern7",
    "mc_corr_eps": 1e-10,
    "norm_steps": 25,
    "norm_t_tol": 1e-6,
    "norm_tol": 1e-4,
    "norm_min_step": 0.1,
    "improved_sampling": False,
}
_MACHINERY = (
    "atol", "rtol", "nsteps", "max_step", "min_step", "first_step", "order", "interpolate", "krylov_dim",
    "sub_system_tol", "eigensolver_dtype", "always_compute_step",
)  # fmt: skip
# Of a Liouvillian, which takes 16 bytes times the fourth power of them.
_MOST_LEVELS = 64
_INSTEAD = "Give the Hamiltonian as H, and all operators as c_ops."
_TOTAL = "Master Equation Evolution"


def mcsolve(
    H: OperatorInTime,
    state: Qobj,
    tlist: ArrayLike,
    c_ops: Operators = (),
    *,
    e_ops: EOps = None,
    ntraj: int = 500,
    args: Mapping[str, object] | None = None,
    options: Mapping[str, object] | None = None,
    seeds: "int | SeedSequence | Sequence[int | SeedSequence] | None" = None,
    target_tol: float | tuple[float, float] | list[tuple[float, float]] | None = None,
    timeout: float | None = None,
) -> JumpResult:
    r"""QuTiP's `mcsolve`: pure states that jump, each by one of the c_ops, and evolve between jumps by

    $$\dot\psi = -iH\psi - \tfrac12\sum_k C_k^\dagger C_k\psi$$

    and normalisation; ħ = 1 (Mølmer, Castin and Dalibard 1993). Where nothing depends on time there is no time step:
    jumps are found to rounding. With a Liouvillian as H, `qutip.liouvillian(H, unseen)`, states are density matrices
    given the jumps of the c_ops, while the other operators act unseen (Wiseman and Milburn 2010, eq. 4.235), again
    without a time step.

    Args:
        H: a `Qobj`, a `QobjEvo`, or what QuTiP makes one of, Hermitian; or a Liouvillian.
        state: the initial ket; or a density matrix, of whose spectrum every trajectory draws its ket.
        tlist: (T,) increasing times, at least two.
        c_ops: operators that jump, one or a list, with the root of the rate inside.
        e_ops: one, a list or a dictionary of `Qobj`, `QobjEvo` and functions f(t, state), which are called with every
            state of every trajectory.
        ntraj: how many trajectories; with target_tol, at most.
        args: of coefficients that depend on time.
        options: as of `qutip.mcsolve`, see docs/qutip.md. Those of QuTiP's integrators and of its search for jumps are
            accepted, and change nothing; improved_sampling is refused.
        seeds: a number, a `SeedSequence`, or a list of one for each trajectory, such as `previous.seeds`.
        target_tol: a tolerance of bias and two standard errors together, as of `ssesolve`.
        timeout: after so many seconds no further portion of the trajectories is begun; not with target_tol.

    Returns:
        The result, with QuTiP's attributes, `stderr_expect` and `ensemble`: for a Liouvillian the ensemble is that of
        pure states that know of every jump.

    Raises:
        ValueError: for every argument that does not fit, naming it.

    >>> import qutip
    >>> from stochq.qutip import mcsolve
    >>> result = mcsolve(qutip.sigmax(), qutip.basis(2, 0), [0, 1, 2], qutip.sigmam(), ntraj=100, seeds=1)
    >>> bool(sum(map(len, result.col_times)) == round(100 * result.photocurrent[0].sum()))
    True
    """
    begun = time.perf_counter()
    found = _options(options)
    times, ntraj = times_of(tlist), check_count("ntraj", ntraj, 1)
    start = state_of("state", state)
    operators = jump_operators_of("c_ops", c_ops, args, times)
    if not operators:
        raise ValueError(
            "c_ops: expected at least one operator; got none, with which nothing jumps. Use qutip.sesolve or "
            "qutip.mesolve."
        )
    generator = _generator(H, args, times)
    equation, names, dims = _equation(H, args, times, operators, generator)
    expectations = expectations_of(e_ops, times, equation.dim, dims)
    check_functions(expectations, float(times[0]), start.proj() if generator and start.isket else start)
    setup = Setup(equation, start, times, expectations, arguments={"records": names})
    asked = Asked(found, options, ntraj, seeds, target_tol, timeout_of(timeout))
    ranges, seeds_of_runs = ranges_of(seeds, ntraj)
    request = request_of(setup, asked, ranges)
    prepared = time.perf_counter()
    with in_qutips_words(psi0="state"):
        if generator is None:
            outcome = run(setup, request)
        else:
            watched = np.concatenate([each.matrices for each in operators]).astype(complex)
            outcome = run_counted(setup, names, generator, watched, request)
    stats = {
        "method": outcome.ensemble.scheme, "init time": 0.0, "preparation time": prepared - begun,
        "run time": time.perf_counter() - prepared, "solver": _TOTAL, "num_collapse": len(operators),
        "end_condition": end_condition(outcome.ensemble, ntraj, target_tol),
    }  # fmt: skip
    jumps = jumps_of(outcome.clicks, names)
    contents = contents_of("mcsolve", stats, setup, outcome, asked, seeds_of_runs[: len(jumps)])
    return JumpResult(contents, jumps, len(operators))


def _options(options: Mapping[str, object] | None) -> dict[str, Any]:
    found = checked_options(options, _OPTIONS, _MACHINERY, tuple(MCSolver.avail_integrators()))
    if found["improved_sampling"]:
        raise ValueError(
            "options['improved_sampling']: expected False; got True. Trajectories without a jump cost as much as "
            "others here: take more of them."
        )
    return found


def _generator(H: OperatorInTime, args: Mapping[str, object] | None, times: np.ndarray) -> Generator | None:
    """What a Liouvillian is made of; None for a Hamiltonian."""
    made = evolving("H", H, args, times)
    if not made.issuper:
        return None
    if made.shape[0] > _MOST_LEVELS**2:
        raise ValueError(
            f"H: expected a Liouvillian of at most {_MOST_LEVELS} levels, which is written out as a matrix; got "
            f"{round(made.shape[0] ** 0.5)}. {_INSTEAD}"
        )
    if not made.isconstant:
        raise ValueError(f"H: expected a Liouvillian that does not depend on time; got one that does. {_INSTEAD}")
    return generator_of(made(float(times[0])).full())


def _equation(
    H: OperatorInTime,
    args: Mapping[str, object] | None,
    times: np.ndarray,
    operators: list[JumpOperator],
    generator: Generator | None,
) -> tuple[Equation, list[str], tuple[int, ...]]:
    """The equation of pure states, the names of the records of the operators, and the dims of the parts."""
    if generator is None:
        hamiltonian = hamiltonian_of(H, args, times)
        with in_qutips_words(jump_operators="c_ops"):
            equation = unravel(hamiltonian, [each.given for each in operators], noise="jump")
        return equation, [line.name for line in equation.lines], hamiltonian.dims
    hamiltonian = Qobj(generator.hamiltonian, dims=evolving("H", H, args, times).dims[0])
    counted = constant_ones("c_ops", operators, _INSTEAD)
    detectors: dict[str, Detector] = {f"c_ops[{place}]": counting(one) for place, one in enumerate(counted)}
    names = list(detectors)
    detectors |= {f"unseen {place}": unread(one) for place, one in enumerate(generator.operators)}
    with in_qutips_words():
        equation = monitored(hamiltonian, detectors)
    return equation, names, equation.hamiltonian.dims
