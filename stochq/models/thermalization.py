"""Objective quantum thermalization and the equilibrium weights it relaxes to."""

from collections.abc import Sequence
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, StateLike, as_real, is_concrete
from stochq.channels import Equilibration, Separable
from stochq.channels.scaled import scaled
from stochq.equation import Equation
from stochq.laws import NoiseLaw
from stochq.models.checks import equilibrium_weights, positive, rate
from stochq.operators import as_operator, operator_list
from stochq.systems.banded import Banded
from stochq.systems.basis import energy_basis, energy_columns, on_energies
from stochq.systems.checks import check_diagonal, check_hermitian, check_number, shape_of
from stochq.systems.degenerate import sharp_eigenvectors
from stochq.systems.equilibrium import Weights, Window, with_eigenvectors_of
from stochq.systems.hamiltonian import Dense, Diagonal, Hamiltonian
from stochq.systems.levels import as_hamiltonian
from stochq.systems.observables import LinearObservable
from stochq.systems.pauli import SpinHamiltonian
from stochq.systems.states import check_state
from stochq.systems.typicality import Equilibrium
from stochq.systems.typicality.ensembles import Shape, canonical_equilibrium, microcanonical_equilibrium

# Eigenstates on the rim of the window count as inside, within this fraction of the spectrum's width.
_RIM = 1e-9
# Two Hamiltonians count as one where their difference on a state is below this part of the bandwidth.
_SAME = 1e-5


def oqt(
    hamiltonian: Hamiltonian | OperatorLike,
    *,
    strength: Number,
    equilibrium: ArrayLike | Equilibrium,
    hbar: Number = 1.0,
    noise: NoiseLaw = "real",
) -> Equation:
    r"""Objective quantum thermalization (`thermalization` eqs. 5 and 6).

    $$L_{\mu\nu} = \sqrt{\tfrac{\alpha\mathcal N}{\hbar}\chi_\mu}\,|\mu\rangle\langle\nu|, \qquad
      \rho(t) = e^{-at}U_t\rho_0U_t^\dagger + (1-e^{-at})\chi, \quad a = \alpha\mathcal N/\hbar$$

    For complex noise all transitions act through one vector η of complex normals, which no eigenstate appears in,

    $$d\psi = \big[-\tfrac i\hbar H + a\chi - \tfrac a2 - \tfrac a2\langle\chi\rangle\big]\psi\,dt
      + \sqrt a\,(1-|\psi\rangle\langle\psi|)\,\chi^{1/2}d\eta$$

    (derived for this project): so it is stepped where χ is an `Equilibrium` of a Hamiltonian that is never a matrix.

    strength: α𝒩, an energy. equilibrium: χ (dim,) over the energy eigenstates, ascending, or an `Equilibrium`; see
    `sq.microcanonical` and `sq.canonical`. noise: "real" or "complex", which an `Equilibrium` needs.

    Raises:
        ValueError: for a negative strength, weights that are negative or do not sum to 1, an `Equilibrium` of another
            Hamiltonian, and noise that needs the eigenstates of one that has none.

    >>> import stochq as sq
    >>> sq.models.oqt(sq.systems.levels([0.0, 1.0]), strength=0.5, equilibrium=[0.7, 0.3]).dim
    2
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    hbar = positive("hbar", hbar)
    if isinstance(equilibrium, Equilibrium):
        _check_same(hamiltonian, equilibrium.map.hamiltonian)
        frequency = rate("strength", strength) / hbar
        relaxing = Equilibration(equilibrium.map, frequency, equilibrium.purity, equilibrium.trace_error)
        return Equation(hamiltonian, (relaxing,), noise, hbar)
    if hamiltonian.is_matrix_free:
        raise ValueError(
            "equilibrium: expected an equilibrium without eigenstates for a Hamiltonian that is never a matrix; got "
            f"{type(equilibrium).__name__}. Use sq.canonical(hamiltonian, beta) or sq.microcanonical(hamiltonian, "
            "psi0)."
        )
    hamiltonian = with_eigenvectors_of(hamiltonian, equilibrium)
    weights = on_energies(hamiltonian, equilibrium_weights(equilibrium, hamiltonian.dim))
    target = scaled(rate("strength", strength) / hbar, weights)
    return Equation(hamiltonian, (Separable(target, basis=energy_basis(hamiltonian)),), noise, hbar)


def _check_same(hamiltonian: Hamiltonian, other: Hamiltonian) -> None:
    """ValueError for an equilibrium of another Hamiltonian, told by what both do to a random state."""
    same = other is hamiltonian or other.dim == hamiltonian.dim
    if same and other is not hamiltonian:
        psi = (
            np.random.default_rng(1).normal(size=(hamiltonian.dim, 2))
            @ np.array([1, 1j])
            / (2 * hamiltonian.dim) ** 0.5
        )
        with jax.enable_x64(True):
            one, two = (np.asarray(each.apply(0.0, jnp.asarray(psi))) for each in (hamiltonian, other))
        same = np.linalg.norm(one - two) <= _SAME * float(hamiltonian.bandwidth)
    if not same:
        raise ValueError(
            "equilibrium: expected one of this Hamiltonian; it was made for another one. Call sq.canonical or "
            "sq.microcanonical with the Hamiltonian of the model."
        )


@overload
def microcanonical(
    hamiltonian: SpinHamiltonian,
    psi0: StateLike,
    conserved: Sequence[OperatorLike | str] = (),
    *,
    shape: Shape = "sharp",
    edge: float = 0.5,
    trace_rtol: float = 3e-3,
    seed: int = 0,
) -> Equilibrium: ...


@overload
def microcanonical(
    hamiltonian: Dense | Diagonal | Banded | OperatorLike,
    psi0: StateLike,
    conserved: Sequence[OperatorLike | str] = (),
    *,
    shape: Shape = "sharp",
    edge: float = 0.5,
    trace_rtol: float = 3e-3,
    seed: int = 0,
) -> Weights: ...


# Of another Hamiltonian its size may decide, as of sq.systems.ising.
@overload
def microcanonical(
    hamiltonian: Hamiltonian,
    psi0: StateLike,
    conserved: Sequence[OperatorLike | str] = (),
    *,
    shape: Shape = "sharp",
    edge: float = 0.5,
    trace_rtol: float = 3e-3,
    seed: int = 0,
) -> Any: ...


def microcanonical(
    hamiltonian: Hamiltonian | OperatorLike,
    psi0: StateLike,
    conserved: Sequence[OperatorLike | str] = (),
    *,
    shape: Shape = "sharp",
    edge: float = 0.5,
    trace_rtol: float = 3e-3,
    seed: int = 0,
) -> Any:
    r"""Equal weights on all eigenstates with energy in $[E-\sqrt V, E+\sqrt V]$, the state's mean and variance.

    Of a Hamiltonian that is never a matrix, such as `sq.systems.spins`, χ is an `Equilibrium`: the square of
    a polynomial of H, of at most the degree 2.3 bandwidth/(edge √V), whose window has smooth edges, and traces by
    random vectors with their standard errors.

    Args:
        hamiltonian: a system, or its matrix (dim, dim) or energies (dim,).
        psi0: normalised ket (dim,).
        conserved: names of the system's conserved observables, or Hermitian operators (dim,) or (dim, dim) that
            commute with the Hamiltonian and with each other. Each narrows the window to eigenstates with ⟨S⟩ ± δS;
            in degenerate levels these are the common eigenstates of all of them. Without a matrix: "total_sz",
            "spin_flip" (the product of all σ_x), "parity" (the reflection), "momentum" of a ring, diagonals and single
            Pauli strings.
        shape: "sharp", or "gaussian" for the weights $e^{-(H-E)^2/2V}$.
        edge: energies over which the weight of a sharp window without a spectrum falls from 0.9 to 0.1, in units of √V.
        trace_rtol: relative error of its traces, which says how many random vectors are taken. Up to 1024 states a
            whole basis takes their place. By this the rate of thermalization is uncertain.
        seed: of the random vectors.

    Returns:
        χ (dim,), energies ascending. `.window` reports how far its energy and variance are from the state's: the
        window conserves neither. `.eigenvectors` are the common eigenstates, columns (dim, dim), where they are not
        the Hamiltonian's own; the models take them from there, so hand χ on as it is, not as a list.

    Raises:
        ValueError: when no eigenstate lies in the window, or what is conserved does not commute.

    >>> import stochq as sq
    >>> chi = sq.microcanonical(sq.systems.levels([0.0, 1.0, 2.0, 9.0]), sq.normalize([1, 1, 1, 0]))
    >>> chi.tolist(), chi.window.states
    ([0.0, 1.0, 0.0, 0.0], 1)
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    if not isinstance(shape, str) or shape not in ("sharp", "gaussian"):
        raise ValueError(f"shape: expected 'sharp' or 'gaussian'; got {shape!r}.")
    if hamiltonian.is_matrix_free:
        return microcanonical_equilibrium(
            hamiltonian, psi0, conserved, shape=shape, edge=edge, trace_rtol=trace_rtol, seed=seed
        )
    psi = check_state(psi0, hamiltonian.dim)
    if not is_concrete(hamiltonian.energies):
        raise ValueError(
            "hamiltonian: expected numbers; got a traced one. Eigenstates enter and leave the window by jumps, which "
            "have no derivative: compute the weights beforehand, or use sq.canonical."
        )
    energies = np.asarray(hamiltonian.energies)
    operators = _conserved_operators(hamiltonian, conserved)
    common, values = sharp_eigenvectors(energies, energy_columns(hamiltonian), operators)
    vectors = energy_columns(hamiltonian) if common is None else common
    population = np.abs(vectors.conj().T @ psi) ** 2
    energy = float(population @ energies)
    variance = float(population @ (energies - energy) ** 2)
    inside = np.ones(len(energies), bool) if shape == "gaussian" else _inside(energies, energy, variance)
    for name, operator in operators.items():
        inside &= _inside(values[name], *_moments(operator, psi))
    if not inside.any():
        nearest = float(energies[np.argmin(np.abs(energies - energy))])
        spread = variance**0.5
        raise ValueError(
            f"psi0: expected a state whose window [E ± √V] = [{energy - spread:.6g}, {energy + spread:.6g}]"
            f" holds an eigenstate; the nearest energy is {nearest:.6g}. Give `equilibrium` yourself."
        )
    weights = inside.astype(float)
    if shape == "gaussian":
        weights *= np.exp(-((energies - energy) ** 2) / (2 * max(variance, np.finfo(float).tiny)))
    weights = (weights / weights.sum()).view(Weights)
    mean = float(weights @ energies)
    spread = float(weights @ (energies - mean) ** 2)
    weights.eigenvectors = common
    weights.window = Window(int(inside.sum()), mean, spread, energy, variance)
    return weights


def _inside(values: np.ndarray, mean: float, variance: float) -> np.ndarray:
    rim = _RIM * max(float(np.ptp(values)), abs(mean), 1e-300)
    return np.abs(values - mean) <= np.sqrt(max(variance, 0.0)) + rim


def _moments(operator: np.ndarray, psi: np.ndarray) -> tuple[float, float]:
    """Mean and variance of a diagonal (dim,) or a matrix (dim, dim) in a state."""
    after = operator * psi if operator.ndim == 1 else operator @ psi
    mean = float((psi.conj() @ after).real)
    return mean, float(np.linalg.norm(after - mean * psi) ** 2)


def _conserved_operators(hamiltonian: Hamiltonian, conserved: object) -> dict[str, np.ndarray]:
    """The operators by the names under which errors speak of them."""
    known = {**hamiltonian.operators, **hamiltonian.conserved}
    operators = {}
    for index, given in enumerate(operator_list("conserved", conserved)):
        name = f"conserved[{index}]"
        if isinstance(given, str) and given not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, or an operator; got {given!r}.")
        operator = known[given] if isinstance(given, str) else given
        operator = operator.matrix() if isinstance(operator, LinearObservable) else as_operator(name, operator)
        label = f"{name} = {given!r}" if isinstance(given, str) else name
        operators[label] = _checked_operator(name, operator, hamiltonian.dim)
    return operators


def _checked_operator(name: str, operator: ArrayLike, dim: int) -> np.ndarray:
    if shape_of(name, operator) not in ((dim,), (dim, dim)):
        raise ValueError(f"{name}: expected shape ({dim},) or ({dim}, {dim}); got {np.shape(operator)}.")
    check = check_diagonal if np.ndim(operator) == 1 else check_hermitian
    check(name, operator)
    return np.asarray(operator)


@overload
def canonical(
    hamiltonian: SpinHamiltonian, beta: Number, *, trace_rtol: float = 3e-3, seed: int = 0
) -> Equilibrium: ...


@overload
def canonical(
    hamiltonian: Dense | Diagonal | Banded | OperatorLike, beta: Number, *, trace_rtol: float = 3e-3, seed: int = 0
) -> Array: ...


@overload
def canonical(hamiltonian: Hamiltonian, beta: Number, *, trace_rtol: float = 3e-3, seed: int = 0) -> Any: ...


def canonical(hamiltonian: Hamiltonian | OperatorLike, beta: Number, *, trace_rtol: float = 3e-3, seed: int = 0) -> Any:
    r"""Canonical weights $\chi_\mu = e^{-\beta E_\mu}/Z$ over the energy eigenstates, ascending, (dim,).

    Of a Hamiltonian that is never a matrix, such as `sq.systems.spins`, χ is an `Equilibrium`, whose traces are over
    random vectors.

    beta: inverse temperature, in inverse units of the Hamiltonian; negative values favour high energies.
    trace_rtol, seed: relative error of Z by random vectors, which says how many of them are taken, and their seed.

    >>> import stochq as sq
    >>> canonical(sq.systems.levels([0.0, 1.0]), beta=0.0).tolist()
    [0.5, 0.5]
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    if hamiltonian.is_matrix_free:
        return canonical_equilibrium(hamiltonian, beta, trace_rtol=trace_rtol, seed=seed)
    check_number("beta", beta)
    beta = as_real(beta)
    exponent = -beta * as_real(hamiltonian.energies)
    if not is_concrete(exponent):
        return jax.nn.softmax(exponent)
    if not np.all(np.isfinite(exponent)):
        raise ValueError(f"beta: expected one whose products with the energies are finite; got {beta}.")
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()
