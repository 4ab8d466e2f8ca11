"""Spontaneous universal irreversibility: reduction and thermalization together."""

from stochq.arrays import ArrayLike, Number, OperatorLike
from stochq.equation import Equation
from stochq.laws import NoiseLaw
from stochq.models.checks import rate
from stochq.models.reduction import suv
from stochq.models.thermalization import oqt
from stochq.systems.basis import ProductBasis
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian
from stochq.systems.typicality import Equilibrium


def sui(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    reduction: Number,
    thermalization: Number,
    equilibrium: ArrayLike | Equilibrium,
    basis: OperatorLike | str | ProductBasis | None = None,
    hbar: Number = 1.0,
    noise: NoiseLaw = "real",
) -> Equation:
    r"""SUV in its basis and OQT in the energy basis, together (`thermalization` eqs. 7 and 8).

    $$\hbar\dot\rho = -i[H,\rho] + \mathcal{JN}\Lambda_R(\rho) + \alpha\mathcal N\Lambda_\chi(\rho)$$

    reduction: 𝒥𝒩; thermalization: α𝒩; equilibrium: χ (dim,), or an `Equilibrium`, which needs noise="complex"; basis:
    columns |k⟩ or None for the given basis, of spins also "x", "y", "z" or a `sq.channels.ProductBasis`.

    Raises:
        ValueError: as `suv` and `oqt` do.

    >>> import stochq as sq
    >>> spin = sq.systems.levels([[0.0, 1.0], [1.0, 0.0]])
    >>> len(sq.models.sui(spin, reduction=0.7, thermalization=0.4, equilibrium=[0.75, 0.25]).channels)
    2
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    reduction, thermalization = rate("reduction", reduction), rate("thermalization", thermalization)
    reducing = suv(hamiltonian, strength=reduction, basis=basis, hbar=hbar, noise=noise)
    thermalizing = oqt(hamiltonian, strength=thermalization, equilibrium=equilibrium, hbar=hbar, noise=noise)
    return Equation(thermalizing.hamiltonian, thermalizing.channels + reducing.channels, noise, hbar)
