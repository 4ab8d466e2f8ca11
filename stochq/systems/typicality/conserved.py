"""Which sectors a state occupies: conserved quantities by their names or as operators, checked to commute."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array
from stochq.module import Module
from stochq.operators import as_operator, operator_list
from stochq.systems.checks import check_diagonal, shape_of
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.linear import times_real
from stochq.systems.sectors import sigma_z
from stochq.systems.typicality.sectors import (
    DiagonalSymmetry,
    Involution,
    Momentum,
    Projector,
    Reflection,
    SpinFlip,
    Symmetry,
)
from stochq.systems.typicality.traces import random_vectors

# Largest commutator on a random vector, relative to the operators on it.
COMMUTATOR_RTOL = 1e-9


class _Divided(Module):
    """An operator divided by a number."""

    operator: Any
    divisor: float

    def __call__(self, psi: Array) -> jax.Array:
        factor = jnp.asarray(1 / self.divisor, jnp.finfo(jnp.asarray(psi).dtype).dtype)
        return times_real(factor, self.operator.apply(psi))


def projectors_of(hamiltonian: Hamiltonian, conserved: Sequence[Any], psi: np.ndarray) -> tuple[Projector, ...]:
    """Onto the values ⟨S⟩ ± δS of each conserved quantity in a state (dim,)."""
    with jax.enable_x64(True):
        probe = random_vectors(0, hamiltonian.dim, 0, 1, np.dtype(np.complex128))
        known: dict[str, Callable[[Array], Array]] = {"the Hamiltonian": lambda state: hamiltonian.apply(0.0, state)}
        projectors = []
        for index, entry in enumerate(operator_list("conserved", conserved)):
            name = f"conserved[{index}]" + (f" = {entry!r}" if isinstance(entry, str) else "")
            symmetry = _symmetry(name, entry, hamiltonian, probe)
            for other, apply in known.items():
                _check_commutes(name, symmetry.apply, other, apply, probe)
            known[name] = symmetry.apply
            projectors.append(symmetry.sector_of(psi))
    return tuple(projectors)


def _check_commutes(
    name: str, first: Callable[[Array], Array], other: str, second: Callable[[Array], Array], probe: jax.Array
) -> None:
    after_first, after_second = first(probe), second(probe)
    violation = float(jnp.linalg.norm(first(after_second) - second(after_first)) / jnp.linalg.norm(probe))
    size = float(jnp.linalg.norm(after_first) * jnp.linalg.norm(after_second) / jnp.linalg.norm(probe) ** 2)
    if violation > COMMUTATOR_RTOL * size:
        raise ValueError(
            f"{name}: expected a conserved quantity, which commutes with {other}; on a random state their commutator "
            f"is {violation / size:.3g} of their product. Leave one of them out."
        )


def _symmetry(name: str, entry: Any, hamiltonian: Hamiltonian, probe: jax.Array) -> Symmetry:
    if isinstance(entry, str):
        return _named(name, entry, hamiltonian, probe)
    if isinstance(entry, Symmetry):
        return entry
    entry = as_operator(name, entry)
    if hasattr(entry, "apply"):
        return _of_operator(name, entry, probe)
    if shape_of(name, entry) != (hamiltonian.dim,):
        raise ValueError(
            f"{name}: expected a name, a diagonal ({hamiltonian.dim},) or a sum of Pauli strings; got shape "
            f"{np.shape(entry)}."
        )
    check_diagonal(name, entry)
    return DiagonalSymmetry(np.real(np.asarray(entry)).astype(float))


def _named(name: str, entry: str, hamiltonian: Hamiltonian, probe: jax.Array) -> Symmetry:
    sites = hamiltonian.dim.bit_length() - 1
    makers: dict[str, Callable[[], Symmetry]] = {
        "total_sz": lambda: DiagonalSymmetry(_total_sz(sites)),
        "spin_flip": lambda: Involution(SpinFlip()),
        "parity": lambda: Involution(Reflection(sites)),
        "momentum": lambda: Momentum(sites),
    }
    if entry in makers and hamiltonian.dim == 2**sites:
        return makers[entry]()
    known = {**hamiltonian.conserved, **hamiltonian.operators}
    if entry not in known:
        raise ValueError(f"{name}: expected one of {', '.join({**makers, **known})}, or an operator; got {entry!r}.")
    return _symmetry(name, known[entry], hamiltonian, probe)


def _total_sz(sites: int) -> np.ndarray:
    states = np.arange(2**sites)
    return sum((sigma_z(states, site) for site in range(sites)), np.zeros(2**sites)) / 2


def _of_operator(name: str, operator: Any, probe: jax.Array) -> Symmetry:
    """A diagonal operator, or one whose square is a number, as of a single Pauli string."""
    diagonal = getattr(operator, "diagonal", None)
    if diagonal is not None:
        return DiagonalSymmetry(np.asarray(diagonal, float))
    once = operator.apply(probe)
    square = float(jnp.vdot(once, once).real / jnp.vdot(probe, probe).real)
    if not square or float(jnp.linalg.norm(operator.apply(once) - square * probe)) > 1e-9 * square * probe.size**0.5:
        raise ValueError(
            f"{name}: expected an operator that is diagonal, or a single Pauli string, whose eigenvalues are known; "
            "got a sum that is neither. Rotate the spins so that it becomes diagonal, or leave it out."
        )
    return Involution(_Divided(operator, square**0.5))
