"""Hopping bosons with a heat bath at every site that one likes: a network of coupled oscillators."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex, Float, Inexact

from stochq.arrays import ArrayLike, Times, as_matrix
from stochq.callers import users_line
from stochq.gaussian.dynamics import Dynamics
from stochq.gaussian.models import network_checks as checks
from stochq.gaussian.models.conditioning import conditional_variances
from stochq.gaussian.models.probes import probe_occupations
from stochq.gaussian.transport import Damping, propagate, real_gauge
from stochq.systems.checks import check_times

Correlations = Inexact[np.ndarray, "*times modes modes"]
Baths = Float[np.ndarray, "*times baths"]


def network(couplings: ArrayLike, rates: ArrayLike, occupations: ArrayLike) -> "Network":
    r"""L modes with hopping between them and local heat baths (Malouf et al. 2019, eqs. 3–4):
    $$\dot\rho = -i\Big[\sum_{kl}H_{kl}a_k^\dagger a_l,\rho\Big]
    + \sum_k\gamma_k(n_k+1)\mathcal D[a_k]\rho + \gamma_k n_k\mathcal D[a_k^\dagger]\rho .$$

    Args:
        couplings: H (modes, modes), Hermitian, a frequency (ħ = 1); the frequencies of the modes on its diagonal.
        rates: $\gamma_k$ (modes,), zero where there is no bath; (baths, modes) for several at a site; or a number.
        occupations: mean quanta of the baths $n_k$, a number or shaped as the rates.

    Raises:
        ValueError: for couplings that are not Hermitian, rates or occupations below 0, or shapes that do not match.

    >>> import numpy as np
    >>> two = network([[1.0, 0.1], [0.1, 1.0]], rates=[0.2, 0.2], occupations=[1.0, 2.0])
    >>> np.diagonal(two.steady_state()).real
    array([1.25, 1.75])
    """
    matrix = checks.couplings(as_matrix(couplings, "couplings"))
    gamma = checks.rates(rates, len(matrix))
    return build(matrix, gamma, checks.occupations(occupations, gamma.shape))


def build(couplings: np.ndarray, rates: np.ndarray, occupations: np.ndarray) -> "Network":
    """A network of arrays that are known to be right."""
    return Network(couplings, rates, occupations, Damping(couplings, np.atleast_2d(rates).sum(axis=0)))


@dataclass(frozen=True, eq=False)
class Network:
    r"""What `network` makes. A state without displacement and squeezing is its correlations
    $C_{ij}=\langle a_j^\dagger a_i\rangle$ (modes, modes), in a time axis first where there is one.

    Quantities of the baths have the shape of `rates`. Currents count quanta per unit of time.
    """

    couplings: Inexact[np.ndarray, "modes modes"]
    rates: Float[np.ndarray, "*baths modes"]
    occupations: Float[np.ndarray, "*baths modes"]
    damping: Damping

    @property
    def modes(self) -> int:
        """The number of modes."""
        return len(self.couplings)

    def steady_state(self) -> Complex[np.ndarray, "modes modes"]:
        r"""C with $0 = i[C,H] - \frac12\{C,\Gamma\} + f$, $f=\mathrm{diag}(\gamma_kn_k)$ (eq. B5 with the factor it
        lost). Takes O(L³).

        Raises:
            ValueError: if a normal mode is not damped, naming it.
        """
        self.damping.check_damped()
        # The differences between baths drive everything but the mean: solved alone they keep their relative digits.
        mean = self._mean_occupation
        deviation = self.damping.solve(self._total(self.rates * (self.occupations - mean)))
        return deviation + mean * np.eye(self.modes, dtype=complex)

    @property
    def _mean_occupation(self) -> float:
        weight = self.rates.sum()
        return float(np.sum(self.rates * self.occupations) / weight) if weight > 0 else 0.0

    def evolve(self, correlations: ArrayLike, times: Times) -> Complex[np.ndarray, "times modes modes"]:
        r"""C at all times from C at the first of them, exactly: $\dot C = i[C,H] - \frac12\{C,\Gamma\} + f$ (eq. B4a).

        Raises:
            ValueError: for correlations that are no state's, or times that do not increase.
        """
        start = checks.correlations(correlations, self.modes)
        matrix = 1j * self.couplings + np.diag(self._total(self.rates) / 2 - 1j * self.damping.frequency)
        return propagate(matrix, self._total(self.rates * self.occupations), start, check_times(times))

    def with_probes(self, rates: ArrayLike) -> "Network":
        r"""This network and self-consistent baths $\tilde n_k=\langle a_k^\dagger a_k\rangle$ (eq. 28): each takes as
        much from the network as it gives and only dephases it. They are the last row of the rates that are returned.

        rates: $\Gamma_k\ge0$ (modes,) or a number.

        Raises:
            ValueError: for rates below 0, an undamped mode, or probes that no bath of fixed occupation reaches.

        >>> import numpy as np
        >>> line = network(np.eye(3, k=1) + np.eye(3, k=-1), rates=[1.0, 0.0, 1.0], occupations=[1.0, 0.0, 2.0])
        >>> line.with_probes(2.0).occupations[-1]
        array([1.22222222, 1.5 , 1.77777778])
        """
        gamma = np.broadcast_to(checks.rates(rates, self.modes, "probe rates"), (1, self.modes))
        fixed, given = np.atleast_2d(self.rates), np.atleast_2d(self.occupations)
        whole = build(self.couplings, np.concatenate([fixed, gamma]), np.concatenate([given, 0 * gamma]))
        found = probe_occupations(whole.damping, fixed, given, gamma[0])
        return replace(whole, occupations=np.concatenate([given, found[None]]))

    def site_occupations(self, correlations: Correlations) -> Float[np.ndarray, "*times modes"]:
        r"""$\langle a_k^\dagger a_k\rangle$ (..., modes)."""
        return np.diagonal(self._checked(correlations), axis1=-2, axis2=-1).real

    def currents(self, correlations: Correlations) -> Float[np.ndarray, "*times modes modes"]:
        r"""Quanta that flow into mode k from mode l, $j_{kl}=2\,\mathrm{Im}(H_{kl}\langle a_k^\dagger a_l\rangle)$
        (..., modes, modes), antisymmetric. (Eq. 25b as printed is this for real H and nothing for imaginary H.)
        """
        return 2 * np.imag(self.couplings * np.swapaxes(self._checked(correlations), -1, -2))

    def bath_currents(self, correlations: Correlations) -> Baths:
        r"""Quanta that flow into each bath, $\gamma_k(\langle a_k^\dagger a_k\rangle-n_k)$, shape of `rates`."""
        return self.rates * self._excess(correlations)

    def heat_currents(self, correlations: Correlations) -> Baths:
        r"""Energy that flows into each bath, with its share of the couplings' energy:
        $\gamma_k(\mathrm{Re}(HC)_{kk}-H_{kk}n_k)$, in units of frequency per time. Sums to zero in a steady state.
        """
        energies = np.einsum("kl,...lk->...k", self.couplings, self._checked(correlations)).real
        return self.rates * (self._beside(energies) - np.diagonal(self.couplings).real * self.occupations)

    def entropy_flux(self, correlations: Correlations) -> Baths:
        r"""Wigner entropy that flows into each bath per unit of time,
        $\Phi_k=\gamma_k(\langle a_k^\dagger a_k\rangle-n_k)/(n_k+\frac12)$ (eq. 20).
        """
        return self.bath_currents(correlations) / (self.occupations + 0.5)

    def entropy_production(self, correlations: Correlations) -> Baths:
        r"""Wigner entropy that is produced at each bath per unit of time, with $\Theta=C+\frac12$ (eqs. 17, C2):
        $$\Pi_k=\Phi_k-\gamma_k+\gamma_k(n_k+\tfrac12)[\Theta^{-1}]_{kk}
        =\gamma_k\left[\frac{v_k}{n_k+\frac12}+\frac{(s_k-n_k-\frac12)^2}{s_k(n_k+\frac12)}\right],$$
        where $s_k=1/[\Theta^{-1}]_{kk}$ is the variance of mode k once all others are known and
        $v_k=\Theta_{kk}-s_k$ is what they tell of it. In the second form nothing cancels.
        """
        known = conditional_variances(self._checked(correlations))
        bath = self.occupations + 0.5
        explained = self._beside(known.explained)
        excess = self._excess(correlations) - explained
        return self.rates * (explained / bath + excess**2 / (bath * self._beside(known.remaining)))

    def wigner_entropy(self, correlations: Correlations) -> Float[np.ndarray, "*times"]:
        r"""$-\int W\ln W\,dq\,dp=\ln\det\Theta+L\ln(2\pi e)$ (eq. 12, which integrates over α, has L ln 2 less)."""
        inside = np.linalg.slogdet(self._checked(correlations) + 0.5 * np.eye(self.modes))[1]
        return inside + self.modes * np.log(2 * np.pi * np.e)

    def covariance(self, correlations: Correlations) -> Float[np.ndarray, "*times twice_modes twice_modes"]:
        """The covariance of (q1..qn, p1..pn), ½ in the vacuum: (..., 2 modes, 2 modes)."""
        return _doubled(self._checked(correlations) + 0.5 * np.eye(self.modes))

    def drift_and_diffusion(
        self,
    ) -> tuple[Float[np.ndarray, "twice_modes twice_modes"], Float[np.ndarray, "twice_modes twice_modes"]]:
        r"""A and B of $\dot V=AV+VA^T+B$ in the order (q1..qn, p1..pn), ħ = 1, $a=(q+ip)/\sqrt2$."""
        damped = 1j * self.couplings + np.diag(self._total(self.rates) / 2)
        noise = self._total(self.rates * (self.occupations + 0.5))
        return -_doubled(damped), np.diag(np.concatenate([noise, noise]))

    @property
    def dynamics(self) -> Dynamics:
        """The same network in real phase space, where squeezing, displacement and gradients are possible. Warns of
        couplings with phases: the entropies of `Dynamics` reverse time by p → −p, which such hopping does not survive.
        """
        if np.any(np.imag(self.couplings)):
            warnings.warn(
                "couplings: they have phases, which p → −p turns round, so that `dynamics` counts hopping as "
                "irreversible in entropies and detailed balance. Ask the network for entropies, or take "
                "network.with_real_couplings().dynamics; evolution and steady states are right.",
                stacklevel=users_line(),
            )
        return Dynamics(*self.drift_and_diffusion())

    def with_real_couplings(self) -> "Network":
        r"""The same network with the phases of its modes turned, $a_k\to u_ka_k$, so that all couplings are real.
        Occupations, currents and entropies stay as they are, and $C_{kl}$ takes the phases $\bar u_ku_l$.

        Raises:
            ValueError: where the phases along a loop do not close.

        >>> import numpy as np
        >>> network([[1.0, 0.1j], [-0.1j, 1.0]], rates=0.2, occupations=1.0).with_real_couplings().couplings.tolist()
        [[1.0, 0.1], [0.1, 1.0]]
        """
        phases = real_gauge(-1j * self.couplings)
        if phases is None:
            raise ValueError(
                "couplings: expected phases that cancel along every loop of hopping; these do not, as in a magnetic "
                "field, and no choice of the modes' phases makes all couplings real."
            )
        turned = (self.couplings * phases.conj()[:, None] * phases).real
        return build(turned, self.rates, self.occupations)

    def _checked(self, correlations: ArrayLike) -> np.ndarray:
        return checks.shape_of_correlations(correlations, self.modes)

    def _total(self, quantity: np.ndarray) -> np.ndarray:
        """Summed over the baths of each mode, (modes,)."""
        return np.atleast_2d(quantity).sum(axis=0)

    def _beside(self, of_modes: np.ndarray) -> np.ndarray:
        """(..., modes) broadcast against the baths."""
        return of_modes if self.rates.ndim == 1 else of_modes[..., None, :]

    def _excess(self, correlations: Correlations) -> np.ndarray:
        return self._beside(self.site_occupations(correlations)) - self.occupations


def _doubled(matrix: np.ndarray) -> np.ndarray:
    """A complex matrix that acts on a ∝ q + ip, as a real one that acts on (q, p)."""
    real, imaginary = np.real(matrix), np.imag(matrix)
    upper, lower = np.concatenate([real, -imaginary], -1), np.concatenate([imaginary, real], -1)
    return np.concatenate([upper, lower], -2)
