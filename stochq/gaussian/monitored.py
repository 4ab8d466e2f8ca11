"""Linear systems under continuous measurement: conditional covariances and the noisy means of single trajectories."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Complex, Float

from stochq.accuracy.grid import time_grid
from stochq.arrays import Array, ArrayLike, Number, Times, as_complex, as_real, is_concrete
from stochq.ensemble.result import EnsembleResult
from stochq.gaussian.checks import check_number, check_square, check_symmetric
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.filtering import Filtered, check_double, checked_increments, kalman, largest_signal, with_record
from stochq.gaussian.markov import Start, Steps
from stochq.gaussian.observing import Observable
from stochq.gaussian.paths import check_one_state, exact_steps, roots
from stochq.gaussian.phase_space import array_namespace, symplectic_form
from stochq.gaussian.propagation import distinct
from stochq.gaussian.running import run_chains
from stochq.gaussian.state import State
from stochq.measurement import Record
from stochq.measurement.spread import warn_of_currents
from stochq.module import Module
from stochq.systems.checks import check_finite, check_times

# The exponential of Riccati's block matrix loses digits as e^{2·|M|h}: this bounds |M|h.
LONGEST = 2.0
# Relative change of a covariance below which it counts as stationary.
STATIONARY = 1e-13


class Monitored(Module):
    r"""A quadratic Hamiltonian and linear jump operators, each of them watched.

    $$H=\tfrac12x^TGx,\qquad L_k=\sum_jc_{kj}x_j$$

    It is the (SSE) of the engine for Gaussian states, without a Hilbert space: the mean obeys
    $d\bar x=A\bar x\,dt+\sum_k g_k\,dW_k$ and the conditional covariance, the same on every trajectory, Riccati's
    equation $\dot V=AV+VA^T+B-gg^T$ with $g_k=2\,\mathrm{Re}\,u_k$, $u_k=(V+\tfrac{i\hbar}2\Omega)c_k$ for real noise;
    complex noise has two columns for each operator, √2 Re u and −√2 Im u. A = ΩG − ħΩ Im Σcc†, B = ħ²Ω Re Σcc† Ωᵀ.

    Args:
        hamiltonian: G (2n, 2n), symmetric, in the order (q1..qn, p1..pn).
        jumps: c (K, 2n), complex, √rate inside.
        noise: "real" or "complex".
        hbar: ħ, in the units of the covariance.
        efficiency: η of the detectors, one number or (K,); what they miss is lost, and single states are mixed.

    Raises:
        ValueError: for shapes that do not match, G not symmetric, another noise, an efficiency outside [0, 1].

    >>> watched = Monitored(np.eye(2), [[1.0, 0.0]])
    >>> watched.dynamics.diffusion.tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """

    hamiltonian: Float[np.ndarray, "2n 2n"] = eqx.field(converter=as_real)
    jumps: Complex[np.ndarray, "K 2n"] = eqx.field(converter=as_complex)
    noise: Literal["real", "complex"] = eqx.field(static=True, default="real")
    hbar: float = 1.0
    efficiency: Float[np.ndarray, "*K"] = eqx.field(converter=as_real, default=1.0)

    def __check_init__(self) -> None:
        check_square("hamiltonian", self.hamiltonian)
        check_symmetric("hamiltonian", self.hamiltonian)
        check_number("hbar", self.hbar, least=0.0, open_end=True)
        if np.ndim(self.jumps) != 2 or np.shape(self.jumps)[1] != np.shape(self.hamiltonian)[0]:
            raise ValueError(
                f"jumps: expected shape (K, {np.shape(self.hamiltonian)[0]}), one row of coefficients of (q1..qn, "
                f"p1..pn) for every operator; got {np.shape(self.jumps)}."
            )
        check_finite("jumps", self.jumps)
        if self.noise not in ("real", "complex"):
            raise ValueError(f"noise: expected 'real' or 'complex'; got {self.noise!r}.")
        if np.shape(self.efficiency) not in ((), np.shape(self.jumps)[:1]):
            raise ValueError(
                f"efficiency: expected one number, or one for each of {np.shape(self.jumps)[0]} jumps; got shape "
                f"{np.shape(self.efficiency)}."
            )
        if is_concrete(self.efficiency) and not np.all((self.efficiency >= 0) & (self.efficiency <= 1)):
            raise ValueError(f"efficiency: expected numbers from 0 to 1; got {self.efficiency}. Write 0.6 for 60 %.")

    @property
    def modes(self) -> int:
        """The number of modes n."""
        return self.hamiltonian.shape[0] // 2

    @property
    def dynamics(self) -> Dynamics:
        """What the ensemble does: always completely positive."""
        form = symplectic_form(self.modes)
        products = self.jumps.T @ self.jumps.conj()
        drift = form @ self.hamiltonian - self.hbar * form @ products.imag
        return Dynamics(drift, self.hbar**2 * form @ products.real @ form.T, self.hbar)

    @property
    def read(self) -> Array:
        """√η c (K, 2n): of each operator what its detector reads."""
        return self.jumps * array_namespace(self.efficiency).sqrt(self.efficiency).reshape(-1, 1)

    def gain(self, covariance: ArrayLike) -> Float[np.ndarray, "2n m"]:
        """The columns g (2n, K), or (2n, 2K) for complex noise, by which the noise moves the mean."""
        form = symplectic_form(self.modes)
        pulls = (np.asarray(covariance) + 0.5j * self.hbar * form) @ self.read.T
        if self.noise == "real":
            return 2 * pulls.real
        return np.sqrt(2) * np.concatenate([pulls.real, -pulls.imag], axis=1)

    def filter(self, state: State, record: Record) -> Filtered:
        r"""The conditional state given a record, exact for bins of any width, a JAX function of all parameters.

        $$dY_k = \sqrt{\eta_k}\,\langle L_k+L_k^\dagger\rangle\,dt + dW_k$$

        Args:
            state: one state, at the first of the record's times.
            record: of one homodyne detector for each jump operator, in their order; heterodyne for complex noise.

        Returns:
            Means (record, T, 2n), covariances (T, 2n, 2n) and the log-likelihood (record,), relative to Wiener noise.

        Raises:
            ValueError: for a state of other modes, a record of other detectors or with NaN, and traced parameters in
                single precision.

        >>> watched = Monitored(np.eye(2), [[1.0, 0.0]], efficiency=0.5)
        >>> found = watched.filter(State([0, 0], np.eye(2) / 2), Record([0.0, 0.1], [0.3]))
        >>> found.mean.shape, found.covariance.shape
        ((1, 2, 2), (2, 2, 2))
        """
        check_one_state(state, self.dynamics)
        increments = checked_increments(record, self.noise, len(self.jumps))
        check_double(self, state)
        dynamics = self.dynamics
        with jax.enable_x64(True):
            system = with_record(dynamics.drift, dynamics.diffusion, self.read, self.noise, self.hbar)
            found = kalman(system, state.mean, state.covariance, increments, *distinct(record.times))
            if not is_concrete(found):
                return found
            signal = largest_signal(system, dynamics, state, record.times)
        warn_of_currents(increments, np.diff(record.times), signal)
        return Filtered(*map(np.asarray, found))

    def log_likelihood(self, state: State, record: Record, *, per_record: bool = False) -> Number:
        """ln p(record) relative to Wiener noise, a JAX function of all parameters; arguments as of `filter`.

        >>> watched = Monitored(np.eye(2), [[1.0, 0.0]], efficiency=0.5)
        >>> bool(watched.log_likelihood(State([0, 0], np.eye(2) / 2), Record([0.0, 0.1], [0.0])) < 0)
        True
        """
        found = self.filter(state, record).log_likelihood
        return found if per_record else found.sum()

    def conditional(self, state: State, times: Times) -> Float[np.ndarray, "T 2n 2n"]:
        """Covariances of single trajectories, by Riccati's equation solved exactly.

        Args:
            state: one state, at the first of the times.
            times: (T,), increasing.

        Returns:
            (T, 2n, 2n).

        Raises:
            ValueError: for a state of other modes or below the uncertainty bound, times that do not increase.

        >>> watched = Monitored(np.eye(2), [[1.0, 0.0]])
        >>> pure = watched.conditional(State([0, 0], np.diag([0.5, 0.5])), [0.0, 20.0])[-1]
        >>> bool(np.isclose(np.linalg.det(pure), 0.25))
        True
        """
        check_one_state(state, self.dynamics)
        state.check_physical(self.hbar)
        times = check_times(times)
        covariance, found = np.asarray(state.covariance, dtype=np.float64), [np.asarray(state.covariance)]
        riccati = _Riccati(self)
        for length in np.diff(times):
            covariance = riccati.advance(covariance, float(length))
            found.append(covariance)
        return np.stack(found)

    def trajectories(
        self,
        state: State,
        times: Times,
        *,
        trajectories: int,
        observables: Mapping[str, Observable] | None = None,
        seed: int = 0,
        precision: Literal["single", "double"] = "single",
        keep: int = 0,
        progress: bool | None = None,
    ) -> EnsembleResult:
        r"""The means x̄(t) of single trajectories, exact in law at `times`, however far apart.

        Over any interval the mean is a Gaussian Markov chain of noise $EV_cE^T+Q-V_c'$, with the conditional
        covariances $V_c,V_c'$ at its ends. Ensemble averages of x_jx_k are E[x̄_jx̄_k] + V_c,jk.

        Args:
            state: one state, at the first of the times.
            times: (T,), increasing.
            trajectories: how many.
            observables: {name: (2n,) linear form | (2n, 2n) quadratic form | callable(x̄) -> float}; None gives moments
                of x̄.
            seed: of the noise.
            precision: "single" or "double".
            keep: means returned whole, (trajectory, time, 2n).
            progress: whether a bar is shown; None where there is a terminal.

        Raises:
            ValueError: as `sq.gaussian.langevin`.

        >>> watched = Monitored(np.eye(2), [[1.0, 0.0]])
        >>> means = watched.trajectories(State([1, 0], np.eye(2) / 2), [0, 3], trajectories=1000)
        >>> bool(abs(means.mean["q"][-1] - np.cos(3)) < 5 * means.stderr["q"][-1])
        True
        """
        times = check_times(times)
        conditional = self.conditional(state, times)
        grid = time_grid(times, float(np.diff(times).max()))
        propagator, noise = exact_steps(self.dynamics, grid.lengths)
        before = propagator @ conditional[:-1] @ propagator.swapaxes(-1, -2)
        steps = Steps(propagator, _roots_along(before + noise - conditional[1:], conditional))
        begin = Start(np.asarray(state.mean), np.zeros_like(conditional[0]))
        return run_chains(
            grid, begin, steps, None, observables, trajectories, seed=seed, precision=precision, keep=keep,
            progress=progress,
        )  # fmt: skip


def _roots_along(noise: np.ndarray, conditional: np.ndarray) -> np.ndarray:
    """Roots of the matrices on the leading axis; those that repeat, once the covariance is stationary, once."""
    found: list[np.ndarray] = []
    for index, matrix in enumerate(noise):
        same = index and np.abs(matrix - noise[index - 1]).max() <= STATIONARY * np.abs(conditional).max()
        found.append(found[-1] if same else roots(0.5 * (matrix + matrix.T)))
    return np.stack(found)


class _Riccati:
    """V̇ = ÃV + VÃᵀ + B̃ − VFFᵀV as V = XY⁻¹ with (X, Y) linear; exponentials are made once for every length."""

    def __init__(self, monitored: Monitored) -> None:
        size = 2 * monitored.modes
        dynamics = monitored.dynamics
        # The gain is V F + M.
        shift = monitored.gain(np.zeros((size, size)))
        slope = monitored.gain(np.eye(size)) - shift
        drift = dynamics.drift - shift @ slope.T
        self.block = np.block([[drift, dynamics.diffusion - shift @ shift.T], [slope @ slope.T, -drift.T]])
        self.size, self.known = size, {}

    def advance(self, covariance: np.ndarray, length: float) -> np.ndarray:
        """The covariance after `length`."""
        parts = max(1, int(np.ceil(np.linalg.norm(self.block, 1) * length / LONGEST)))
        flow, size = self._flow(length / parts), self.size
        for _ in range(parts):
            x = flow[:size, :size] @ covariance + flow[:size, size:]
            y = flow[size:, :size] @ covariance + flow[size:, size:]
            after = np.linalg.solve(y.T, x.T)
            after = 0.5 * (after + after.T)
            settled = np.abs(after - covariance).max() <= STATIONARY * np.abs(after).max()
            covariance = after
            if settled:
                break
        return covariance

    def _flow(self, length: float) -> np.ndarray:
        from scipy.linalg import expm

        if length not in self.known:
            self.known[length] = expm(self.block * length)
        return self.known[length]
