"""Two-time correlations by the quantum regression theorem (Lax 1963; Gardiner and Zoller, Quantum Noise, §5.2)."""

import jax
import numpy as np

from stochq.arrays import ArrayLike, OperatorLike, StateLike, check_numbers
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.exact.coloured import refuse_coloured
from stochq.exact.inputs import check_lags, initial_density, operator_matrix
from stochq.exact.lines import current_of
from stochq.exact.methods import choose, solve
from stochq.systems.checks import check_number

_DIFFERENTIABLE = "Use differences at two values of the parameter."


def correlation(
    equation: Equation,
    psi0_or_rho0: StateLike,
    lags: ArrayLike,
    *,
    later: OperatorLike,
    right: OperatorLike | None = None,
    left: OperatorLike | None = None,
    time: float = 0.0,
) -> np.ndarray:
    r"""Two-time correlations of operators, $\langle C(t)A(t+\tau)B(t)\rangle$, in double precision.

    $$\langle C(t)A(t+\tau)B(t)\rangle = \mathrm{Tr}\big[A\,e^{\mathcal L\tau}(B\rho_tC)\big]$$

    With `right` alone it is ⟨A(t+τ)B(t)⟩, with `left` alone ⟨C(t)A(t+τ)⟩; coincidences of photons have all three,
    ⟨a†(t) a†a(t+τ) a(t)⟩.

    Args:
        equation: the equation.
        psi0_or_rho0: the state at the earlier time t: a normalised ket (dim,) or a density matrix (dim, dim), such as
            `sq.exact.steady_state(equation)`, or one of `sq.exact.evolve(...).density`.
        lags: τ (T,), increasing, none negative, in units of time.
        later: A, an operator (dim, dim) or a diagonal (dim,).
        right: B, None for the identity.
        left: C, None for the identity.
        time: t, which matters where the equation depends on time.

    Returns:
        The correlations (T,), complex128.

    Raises:
        ValueError: for arguments that do not fit, and for coloured noise, which has no regression theorem.

    Light of a driven two-level atom is antibunched, g²(0) = 0:

    >>> import numpy as np
    >>> import stochq as sq
    >>> lower = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> atom = sq.models.unravel(sq.systems.levels([[0.0, 1.0], [1.0, 0.0]]), [lower])
    >>> steady = sq.exact.steady_state(atom)
    >>> pairs = dict(left=lower.T, later=lower.T @ lower, right=lower)
    >>> rate = (steady[0, 0].real) ** 2
    >>> (sq.exact.correlation(atom, steady, [0.0, 1.0, 20.0], **pairs).real / rate).round(3)
    array([0.   , 1.026, 1.   ])
    """
    check_numbers(_DIFFERENTIABLE, equation=equation, psi0_or_rho0=psi0_or_rho0, lags=lags)
    equation = as_equation(equation)
    check_number("time", time)
    if right is None and left is None:
        raise ValueError("right: expected an operator at the earlier time here, in left, or in both; got none.")
    after = operator_matrix("later", later, equation.dim)
    start = initial_density(psi0_or_rho0, equation.dim)
    if right is not None:
        start = operator_matrix("right", right, equation.dim) @ start
    if left is not None:
        start = start @ operator_matrix("left", left, equation.dim)
    return _regression(equation, start, after, check_lags(lags), float(time))


def _regression(equation: Equation, start: np.ndarray, later: np.ndarray, lags: np.ndarray, time: float) -> np.ndarray:
    """Tr[A e^{ℒτ} X], (T,), for any X (dim, dim), as the evolution of two Hermitian matrices."""
    real = _traces(equation, 0.5 * (start + start.conj().T), later, lags, time)
    imaginary = _traces(equation, -0.5j * (start - start.conj().T), later, lags, time)
    return real + 1j * imaginary


def _traces(equation: Equation, hermitian: np.ndarray, later: np.ndarray, lags: np.ndarray, time: float) -> np.ndarray:
    # The operator at each of the lags, where it depends on time.
    later = np.broadcast_to(later, (len(lags), *hermitian.shape))
    # The methods' tolerances are those of density matrices.
    scale = float(np.linalg.norm(hermitian))
    if scale == 0:
        return np.zeros(len(lags), np.complex128)
    times = time + (lags if lags[0] == 0 else np.concatenate([[0.0], lags]))
    if len(times) == 1:
        return np.array([np.sum(later[0].T * hermitian)])
    method, parts = choose(equation, "auto")
    if equation.colour is not None:
        refuse_coloured(equation, [], "auto")
    with jax.enable_x64(True):
        density = [solved.rho for solved in solve(equation, parts, hermitian / scale, times, method)]
    return scale * np.einsum("tij,tji->t", later, np.stack(density[len(times) - len(lags) :]))


def record_correlation(
    equation: Equation,
    psi0_or_rho0: StateLike,
    lags: ArrayLike,
    *,
    first: str | OperatorLike,
    second: str | OperatorLike | None = None,
    time: float = 0.0,
) -> np.ndarray:
    r"""The correlation E[I₁(t) I₂(t+τ)] of two homodyne currents, or of one with itself, for τ > 0.

    $$I_k = \langle c_k+c_k^\dagger\rangle + \xi_k,\qquad
      \mathrm E[I_1(t)I_2(t+\tau)]
        = \mathrm{Tr}\big[(c_2+c_2^\dagger)\,e^{\mathcal L\tau}(c_1\rho_t+\rho_tc_1^\dagger)\big]$$

    A current has besides it the correlation δ(τ) with itself, which is not in the numbers: those at τ = 0 are the
    limit of small τ. A mean current over an interval h carries 1/h of it where it meets itself. Squares of the mean
    current are not subtracted.

    Args:
        equation, psi0_or_rho0, lags, time: as for `correlation`.
        first: the name of the record of the earlier current, "name:1" or "name:2" for Y₁ or Y₂ of a heterodyne one;
            gain and offset are in the numbers, and δ(τ) is multiplied by gain² and by 1 + noise. Or c₁ (dim, dim), the
            operator that is watched, with √η and the phase in it.
        second: the later current, named or given as c₂; None for the first.

    Returns:
        The correlations (T,), in the square of a current's unit, 1/time.

    Raises:
        ValueError: as `correlation`.

    Homodyne detection of dephasing, L = √γ σ_z/2: the current I remembers σ_z for ever.

    >>> import numpy as np
    >>> import stochq as sq
    >>> watched = np.array([0.5, -0.5])
    >>> qubit = sq.models.unravel(sq.systems.levels([0.0, 0.0]), [watched])
    >>> sq.exact.record_correlation(qubit, np.sqrt([0.5, 0.5]), [0.1, 1.0, 5.0], first=watched).round(6)
    array([1., 1., 1.])
    """
    check_numbers(_DIFFERENTIABLE, equation=equation, psi0_or_rho0=psi0_or_rho0, lags=lags)
    equation = as_equation(equation)
    check_number("time", time)
    earlier = current_of(equation, "first", first, time)
    name, watched = ("first", first) if second is None else ("second", second)
    lags = check_lags(lags)
    start = earlier.measured(initial_density(psi0_or_rho0, equation.dim))
    moments = time + lags if equation.time_dependent else [time]
    later = np.stack([current_of(equation, name, watched, float(t)).observable() for t in moments])
    return _traces(equation, np.asarray(start), later, lags, float(time)).real
