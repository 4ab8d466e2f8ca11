"""Formulas of the papers, for checks and figures. Rates are inverse times."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

from stochq.arrays import ArrayLike, StateLike, Times
from stochq.noise import Coloured
from stochq.systems.basis import energy_columns, into, out_of
from stochq.systems.equilibrium import with_eigenvectors_of
from stochq.systems.hamiltonian import Hamiltonian

# A number or an array of them.
Numbers = np.ndarray | np.float64


def oqt_closed_form(
    hamiltonian: Hamiltonian,
    rho0: StateLike,
    times: Times,
    *,
    rate: float,
    equilibrium: ArrayLike,
    hbar: float = 1.0,
) -> Complex[np.ndarray, "time dim dim"]:
    r"""Density matrices of OQT (`thermalization` eq. 6), in the given basis.

    $$\rho(t) = e^{-at}U_t\rho_0U_t^\dagger + (1-e^{-at})\chi,\qquad a = \alpha\mathcal N/\hbar$$

    rho0: (dim, dim), or a ket (dim,); times (T,), the first that of rho0; rate: a; equilibrium: χ (dim,) over the
    energy eigenstates, ascending.

    >>> from stochq.systems import levels
    >>> rho = oqt_closed_form(levels([0.0, 1.0]), [1.0, 0.0], [0.0, 1.0], rate=0.7, equilibrium=[0.5, 0.5])
    >>> float(rho[1, 0, 0].real.round(6))
    0.748293
    """
    vectors = energy_columns(with_eigenvectors_of(hamiltonian, equilibrium))
    rho = np.asarray(rho0, dtype=np.complex128)
    rho = np.outer(rho, rho.conj()) if rho.ndim == 1 else rho
    elapsed = np.asarray(times, dtype=np.float64) - np.asarray(times)[0]
    phases = np.exp(-1j * np.multiply.outer(elapsed, np.asarray(hamiltonian.energies)) / hbar)
    coherent = phases[:, :, None] * into(vectors, rho) * phases.conj()[:, None, :]
    kept = np.exp(-rate * elapsed)[:, None, None]
    return out_of(vectors, kept * coherent + (1 - kept) * np.diag(np.asarray(equilibrium)))


def oqt_squared_distance(initial: ArrayLike, rate: float, times: Times) -> Numbers:
    r"""Squared Hilbert-Schmidt distance of OQT from equilibrium, $\mathrm{Tr}(\rho-\chi)^2 = D_0\,e^{-2at}$.

    initial: D_0 = Tr(ρ_0 − χ)²; rate: a; times: (T,).

    >>> float(oqt_squared_distance(0.5, rate=1.0, times=0.5).round(6))
    0.18394
    """
    return np.asarray(initial) * np.exp(-2 * rate * np.asarray(times, dtype=np.float64))


def sui_qubit_steady_z(reduction: float, thermalization: float, equilibrium_z: float) -> float:
    r"""Steady ⟨σ_z⟩ of a qubit with H ∝ σ_z under collapse in σ_x at rate r and OQT at rate a.

    $$z_\infty = \frac{a\,z_\chi}{a+r}$$

    >>> round(sui_qubit_steady_z(0.7, 0.4, 0.5), 6)
    0.181818
    """
    return thermalization * equilibrium_z / (thermalization + reduction)


def two_level_suv_mean_collapse_time(rate: ArrayLike, epsilon: ArrayLike) -> Numbers:
    r"""Mean time in which z = ⟨σ_z⟩ reaches ±(1 − ε) from 0, for one real-noise operator $L=\sqrt\gamma\,\sigma_z$.

    $$\bar t = \frac{a}{8\gamma}\tanh\frac a2,\qquad a = \ln\frac{2-\varepsilon}{\varepsilon}$$

    rate: γ. SUV on two levels with rate r = 𝒥𝒩/ħ has γ = r/2.

    >>> float(two_level_suv_mean_collapse_time(1.0, 0.01).round(5))
    0.65505
    """
    a = np.log((2 - np.asarray(epsilon)) / epsilon)
    return a / (8 * np.asarray(rate)) * np.tanh(a / 2)


def csl_decoherence_rate(distance: ArrayLike, *, rate: float, length: float, mass_ratio: float = 1.0) -> Numbers:
    r"""Decay rate of the coherence between two positions under CSL.

    $$\Gamma(\Delta) = \lambda\Big(\frac m{m_0}\Big)^2\big[1 - e^{-\Delta^2/4r_C^2}\big]$$

    >>> float(csl_decoherence_rate(100.0, rate=0.5, length=1.0))
    0.5
    """
    squared = np.asarray(distance, dtype=np.float64) ** 2
    return -rate * mass_ratio**2 * np.expm1(-squared / (4 * length**2))


def csl_energy_gain(
    *, rate: float, length: float, mass: float, reference_mass: float = 1.0, hbar: float = 1.0, dimensions: int = 1
) -> float:
    r"""Power with which CSL heats a particle, whatever its state and potential.

    $$\dot E = D\,\lambda\Big(\frac m{m_0}\Big)^2\frac{\hbar^2}{4mr_C^2}$$

    >>> csl_energy_gain(rate=0.5, length=1.0, mass=1.0)
    0.125
    """
    return dimensions * rate * (mass / reference_mass) ** 2 * hbar**2 / (4 * mass * length**2)


def coloured_decoherence(times: Times, *, rate: ArrayLike, difference: ArrayLike, colour: Coloured) -> Numbers:
    r"""What coloured noise leaves of the coherence between two eigenvalues of A, for [A, H] = 0.

    $$\frac{|\rho_{ab}(t)|}{|\rho_{ab}(0)|}
      = \exp\Big\{-\tfrac12\gamma(a-b)^2\int_0^t\!\!\int_0^tD(s-s')\,ds\,ds'\Big\}$$

    The double integral is $t-\tau(1-e^{-t/\tau})$ for the Ornstein-Uhlenbeck process and t for white noise. times:
    since the superposition was made; rate: γ; difference: a − b; colour: from `sq.noise`.

    >>> from stochq.noise import OrnsteinUhlenbeck
    >>> float(coloured_decoherence(1.0, rate=2.0, difference=1.0, colour=OrnsteinUhlenbeck(0.5)).round(6))
    0.566846
    """
    return np.exp(-0.5 * np.asarray(rate) * np.square(difference) * colour.spread(times))


def white_suv_outcome(probability: ArrayLike, *, drift: ArrayLike, strength: ArrayLike) -> Numbers:
    r"""How often two-level SUV ends in the first level in the white limit, for any drift.

    $$P(+) = I_{p_0}\big(J/\kappa,\,J/\kappa\big)$$

    I is the regularised incomplete beta function; Born's rule iff J = κ. probability: p_0; drift: J; strength: κ, the
    growth of the variance of u = artanh(p_0 − p_1): 2G²σ²τ for a single process, twice that for one per level.

    >>> float(white_suv_outcome(0.8, drift=1.0, strength=2.0).round(5))
    0.70483
    """
    from scipy.special import betainc  # half a second to import, needed here alone

    ratio = np.asarray(drift) / strength
    return betainc(ratio, ratio, probability)


class Widths(NamedTuple):
    """Variances of position and momentum and their symmetrised covariance."""

    position: float
    momentum: float
    covariance: float


def qmupl_asymptotic_widths(*, rate: float, mass: float, hbar: float = 1.0) -> Widths:
    r"""Widths that a free particle's wave packet takes under QMUPL, in every trajectory of real noise.

    $$\sigma_q^2 = \tfrac12\sqrt{\hbar/m\Lambda},\qquad \sigma_p^2 = \hbar\sqrt{m\Lambda\hbar},\qquad
      \sigma_{qp} = \hbar/2$$

    rate: Λ as in `sq.models.qmupl`.

    >>> qmupl_asymptotic_widths(rate=1.0, mass=1.0)
    Widths(position=0.5, momentum=1.0, covariance=0.5)
    """
    stiffness = (mass * rate * hbar) ** 0.5
    return Widths(0.5 * hbar / stiffness, hbar * stiffness, 0.5 * hbar)
