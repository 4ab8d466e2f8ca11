"""QuTiP's ssesolve."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stochq.arrays import ArrayLike
from stochq.models import unravel
from stochq.qutip.expectations import check_functions, expectations_of
from stochq.qutip.kinds import EOps, OperatorInTime, Operators
from stochq.qutip.noise import m_ops_of
from stochq.qutip.options import SSE_METHODS, STOCHASTIC, STOCHASTIC_MACHINERY, checked_options
from stochq.qutip.runs import Setup
from stochq.qutip.stochastic import Asked, solved
from stochq.qutip.stochastic_result import StochasticResult
from stochq.qutip.systems import hamiltonian_of, jump_operators_of, ket_of, times_of
from stochq.qutip.tolerances import timeout_of
from stochq.qutip.words import in_qutips_words
from stochq.schemes import EulerMaruyama
from stochq.systems.checks import check_count, check_flag

if TYPE_CHECKING:
    from numpy.random import SeedSequence
    from qutip import Qobj


def ssesolve(
    H: OperatorInTime,
    psi0: "Qobj",
    tlist: ArrayLike,
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
    r"""QuTiP's `ssesolve`: pure states under homodyne or heterodyne detection of the sc_ops.

    $$d\psi = \Big[-iH - \tfrac12\sum_k\big(S_k^\dagger S_k - e_kS_k + \tfrac14e_k^2\big)\Big]\psi\,dt
      + \sum_k\big(S_k - \tfrac12e_k\big)\psi\,dW_k,\qquad e_k = \langle S_k + S_k^\dagger\rangle$$

    up to a phase of ψ, with $S_k \to S_k/\sqrt2$, $-iS_k/\sqrt2$ for heterodyne detection; ħ = 1. The trajectories are
    those of `sq.simulate(sq.models.unravel(H, sc_ops), ...)`, `noise="complex"` for heterodyne detection.

    Args:
        H: a `Qobj`, a `QobjEvo`, or what QuTiP makes one of; Hermitian.
        psi0: the initial ket, normalised.
        tlist: (T,) increasing times, at least two.
        sc_ops: the monitored operators, one or a list, with the root of the rate inside.
        heterodyne: whether both quadratures are measured.
        e_ops: one, a list or a dictionary of `Qobj`, `QobjEvo` and functions f(t, state), which are called with every
            state of every trajectory.
        args: of coefficients that depend on time.
        ntraj: how many trajectories; with target_tol, at most.
        options: as of `qutip.ssesolve`, see docs/qutip.md. `dt` None, the default, takes the longest step whose bias
            stays below a tenth of the standard error, whatever the method.
        seeds: a number, a `SeedSequence`, or a list of one for each trajectory, such as `previous.seeds`.
        target_tol: a tolerance of bias and two standard errors together, for all e_ops at all times. QuTiP's is of one
            standard error, and knows no bias; its relative tolerance is not used, as if it were zero.
        timeout: after so many seconds no further portion of the trajectories is begun; not with target_tol.

    Returns:
        The result, with QuTiP's attributes, `stderr_expect` and `ensemble`.

    Raises:
        ValueError: for every argument that does not fit, naming it.

    >>> import qutip
    >>> from stochq.qutip import ssesolve
    >>> result = ssesolve(qutip.sigmax(), qutip.basis(2, 0), [0, 1], qutip.sigmam(), e_ops=qutip.sigmaz(), ntraj=100)
    >>> result.expect[0].shape, result.num_trajectories
    ((2,), 100)
    """
    begun = time.perf_counter()
    found = checked_options(options, STOCHASTIC, STOCHASTIC_MACHINERY, SSE_METHODS)
    times, ntraj = times_of(tlist), check_count("ntraj", ntraj, 1)
    heterodyne = check_flag("heterodyne", heterodyne)
    hamiltonian, state = hamiltonian_of(H, args, times), ket_of(psi0)
    operators = jump_operators_of("sc_ops", sc_ops, args, times)
    if not operators:
        raise ValueError(
            "sc_ops: expected at least one operator; got none, with which there is no noise. Use qutip.sesolve."
        )
    with in_qutips_words(jump_operators="sc_ops"):
        equation = unravel(hamiltonian, [each.given for each in operators], noise="complex" if heterodyne else None)
    expectations = expectations_of(e_ops, times, equation.dim, hamiltonian.dims)
    check_functions(expectations, float(times[0]), state)
    scheme = EulerMaruyama() if found["method"] == "euler" else None
    setup = Setup(equation, state, times, expectations, scheme=scheme)
    m_ops = m_ops_of(operators, heterodyne)
    asked = Asked(found, options, ntraj, seeds, target_tol, timeout_of(timeout))
    return solved("ssesolve", "Stochastic Schrodinger Equation Evolution", setup, m_ops, heterodyne, asked, begun)
