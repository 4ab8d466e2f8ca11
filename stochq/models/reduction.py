"""State reduction: spontaneous unitarity violation and energy-driven collapse."""

import numpy as np

from stochq.arrays import Number, OperatorLike
from stochq.channels import Features, Projectors
from stochq.channels.scaled import scaled
from stochq.equation import Equation
from stochq.laws import NoiseLaw
from stochq.models.checks import positive, rate, unitary_basis
from stochq.noise import Coloured
from stochq.systems.basis import ProductBasis, energy_basis, on_energies
from stochq.systems.hamiltonian import Hamiltonian, median
from stochq.systems.levels import as_hamiltonian


def suv(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    strength: Number,
    basis: OperatorLike | str | ProductBasis | None = None,
    hbar: Number = 1.0,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""Spontaneous unitarity violation: reduction to the symmetry-broken states |k⟩ (`thermalization` eq. 7).

    $$L_k = \sqrt{\mathcal{JN}/\hbar}\,|k\rangle\langle k|$$

    strength: 𝒥𝒩, an energy. basis: unitary (dim, dim) whose columns are the |k⟩; None is the given basis; of spins also
    "x", "y" or "z" for products of eigenvectors of that Pauli matrix, or a `sq.channels.ProductBasis`.
    Coherences between the |k⟩ decay at 𝒥𝒩/ħ; with H = 0 the final frequencies are Born's. colour: the spectrum of
    unitary noise, which does not reduce; reduction by coloured noise is `coloured_suv`.

    Raises:
        ValueError: for a negative strength or a basis that is not unitary.

    >>> import stochq as sq
    >>> sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=0.5).channels[0].noises
    2
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    hbar = positive("hbar", hbar)
    rates = scaled(rate("strength", strength) / hbar, np.ones(hamiltonian.dim))
    channel = Projectors(rates, unitary_basis(basis, hamiltonian))
    return Equation(hamiltonian, (channel,), noise, hbar, colour)


def energy_driven(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    strength: Number,
    hbar: Number = 1.0,
    noise: NoiseLaw = "real",
    colour: Coloured | None = None,
) -> Equation:
    r"""Energy-driven reduction (Hughston 1996; Percival 1994): one operator, the Hamiltonian.

    $$L = \sqrt{\sigma}\,H, \qquad \Gamma_{ij} = \tfrac{\sigma}{2}(E_i-E_j)^2$$

    strength: σ, inverse (energy² time). Collapses to energy eigenstates with Born's frequencies.

    Raises:
        ValueError: for a negative strength.

    >>> import stochq as sq
    >>> sq.models.energy_driven(sq.systems.levels([0.0, 1.0]), strength=0.5).channels[0].noises
    1
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    # A constant in L does nothing, and its digits would crowd out those of the gaps.
    energies = on_energies(hamiltonian, hamiltonian.energies - median(hamiltonian.energies))
    channel = Features(energies[None, :], rate("strength", strength), energy_basis(hamiltonian))
    return Equation(hamiltonian, (channel,), noise, hbar, colour)
