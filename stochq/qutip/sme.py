"""QuTiP's smesolve."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from qutip import Qobj

from stochq.arrays import ArrayLike
from stochq.equation import Equation
from stochq.measurement import Detector, homodyne, unread
from stochq.measurement import heterodyne as heterodyne_detector
from stochq.models import monitored, unravel
from stochq.qutip.expectations import check_functions, expectations_of
from stochq.qutip.kinds import EOps, OperatorInTime, Operators
from stochq.qutip.noise import m_ops_of
from stochq.qutip.options import SME_METHODS, STOCHASTIC, STOCHASTIC_MACHINERY, checked_options
from stochq.qutip.runs import Setup
from stochq.qutip.stochastic import Asked, solved
from stochq.qutip.stochastic_result import StochasticResult
from stochq.qutip.systems import (
    JumpOperator,
    hamiltonian_of,
    jump_operators_of,
    state_of,
    times_of,
)
from stochq.qutip.tolerances import timeout_of
from stochq.qutip.words import in_qutips_words
from stochq.systems.checks import check_count, check_flag
from stochq.systems.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    from numpy.random import SeedSequence

# A density matrix whose largest eigenvalue is one to rounding is a ket.
_PURE = 1e-12


def smesolve(
    H: OperatorInTime,
    rho0: Qobj,
    tlist: ArrayLike,
    c_ops: Operators = (),
    sc_ops: Operators = (),
    heterodyne: bool = False,
    *,
    e_ops: EOps = None,
    args: Mapping[str, object] | None = None,
    ntraj: int = 500,
    options: Mapping[str, object] | None = None,
    seeds: "int | SeedSequence | Sequence[int | SeedSequence] | None" = None,
    target_tol: float | tuple[float, float] | list[tuple[float, float]] | None = None,
    timeout: float | None = None,
) -> StochasticResult:
    r"""QuTiP's `smesolve`: density matrices given the homodyne or heterodyne records of the sc_ops, while the c_ops act
    unseen.

    $$d\rho = -i[H,\rho]dt + \sum_j\mathcal D[C_j]\rho\,dt + \sum_k\mathcal D[S_k]\rho\,dt
      + \sum_k\big(S_k\rho + \rho S_k^\dagger - \langle S_k + S_k^\dagger\rangle\rho\big)dW_k$$

    with $S_k \to S_k/\sqrt2$, $-iS_k/\sqrt2$ for heterodyne detection; ħ = 1. An efficiency η is a factor √η in a
    sc_op and √(1−η) in a c_op. Every step is a completely positive map, so that no step of any length leaves the
    states. Where nothing is lost and the start is pure, kets are followed, which takes less time by far.

    Args:
        H: a `Qobj`, a `QobjEvo`, or what QuTiP makes one of; Hermitian.
        rho0: the initial ket or density matrix, normalised.
        tlist: (T,) increasing times, at least two.
        c_ops: operators that act unseen, one or a list, with the root of the rate inside; they may depend on time.
        sc_ops: the monitored operators, one or a list, likewise.
        heterodyne: whether both quadratures are measured.
        e_ops: one, a list or a dictionary of `Qobj`, `QobjEvo` and functions f(t, state), which are called with every
            density matrix of every trajectory.
        args: of coefficients that depend on time.
        ntraj: how many trajectories; with target_tol, at most.
        options: as of `qutip.smesolve`, see docs/qutip.md. QuTiP's methods are accepted, and all make the same steps
            here. `dt` None, the default, takes the longest step whose bias stays below a tenth of the standard error.
        seeds: a number, a `SeedSequence`, or a list of one for each trajectory, such as `previous.seeds`.
        target_tol: a tolerance of bias and two standard errors together, as of `ssesolve`.
        timeout: after so many seconds no further portion of the trajectories is begun; not with target_tol.

    Returns:
        The result, with QuTiP's attributes, `stderr_expect` and `ensemble`.

    Raises:
        ValueError: for every argument that does not fit, naming it.

    >>> import qutip
    >>> from stochq.qutip import smesolve
    >>> seen, lost = 0.6**0.5 * qutip.sigmam(), 0.4**0.5 * qutip.sigmam()
    >>> result = smesolve(qutip.sigmax(), qutip.basis(2, 0), [0, 1], [lost], [seen], ntraj=50, options={"dt": 0.1})
    >>> result.states[-1].isoper, result.num_trajectories
    (True, 50)
    """
    begun = time.perf_counter()
    found = checked_options(options, STOCHASTIC, STOCHASTIC_MACHINERY, SME_METHODS)
    times, ntraj = times_of(tlist), check_count("ntraj", ntraj, 1)
    heterodyne = check_flag("heterodyne", heterodyne)
    hamiltonian, state = hamiltonian_of(H, args, times), state_of("rho0", rho0)
    watched, lost = (jump_operators_of(*each, args, times) for each in (("sc_ops", sc_ops), ("c_ops", c_ops)))
    if not watched:
        raise ValueError(
            "sc_ops: expected at least one operator; got none, with which there is no noise. Use qutip.mesolve."
        )
    ket = None if lost else _ket_of(state)
    if ket is None:
        equation = _detected(hamiltonian, watched, lost, heterodyne)
    else:
        with in_qutips_words(jump_operators="sc_ops"):
            equation = unravel(hamiltonian, [each.given for each in watched], noise="complex" if heterodyne else None)
    expectations = expectations_of(e_ops, times, equation.dim, hamiltonian.dims)
    check_functions(expectations, float(times[0]), state.proj() if state.isket else state)
    setup = Setup(equation, state if ket is None else ket, times, expectations, ket is None, as_density=True)
    m_ops = m_ops_of(watched, heterodyne)
    asked = Asked(found, options, ntraj, seeds, target_tol, timeout_of(timeout))
    with in_qutips_words(psi0="rho0"):
        return solved("smesolve", "Stochastic Master Equation Evolution", setup, m_ops, heterodyne, asked, begun)


def _ket_of(state: Qobj) -> Qobj | None:
    """The state as a ket; None for a mixed one."""
    if state.isket:
        return state
    values, vectors = np.linalg.eigh(state.full())
    if abs(values[-1] - 1) > _PURE or np.abs(values[:-1]).max(initial=0.0) > _PURE:
        return None
    return Qobj(vectors[:, -1:], dims=[state.dims[0], [1]])


def _detected(
    hamiltonian: Hamiltonian, watched: Sequence[JumpOperator], lost: Sequence[JumpOperator], heterodyne: bool
) -> Equation:
    """The equation of detectors that watch some operators, and of others that nobody watches."""
    if any(one.factors is not None for one in (*watched, *lost)):
        return _watched_in_time(hamiltonian, watched, lost, heterodyne)
    detect = heterodyne_detector if heterodyne else homodyne
    detectors: dict[str, Detector] = {f"sc_ops[{place}]": detect(one.constant) for place, one in enumerate(watched)}
    detectors |= {f"c_ops[{place}]": unread(one.constant) for place, one in enumerate(lost)}
    with in_qutips_words():
        return monitored(hamiltonian, detectors)


def _watched_in_time(
    hamiltonian: Hamiltonian, watched: Sequence[JumpOperator], lost: Sequence[JumpOperator], heterodyne: bool
) -> Equation:
    """The same of operators that depend on time, which no detector takes: channels with and without a record."""
    with in_qutips_words(jump_operators="sc_ops"):
        seen = unravel(hamiltonian, [one.given for one in watched], noise="complex" if heterodyne else None)
    if not lost:
        return seen
    with in_qutips_words(jump_operators="c_ops"):
        unseen = unravel(hamiltonian, [one.given for one in lost])
    return Equation(hamiltonian, seen.channels + unseen.channels, lines=seen.lines)
