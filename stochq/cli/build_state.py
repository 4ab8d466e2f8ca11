"""The [state] table becomes a ket."""

from collections.abc import Callable
from functools import reduce, singledispatch
from typing import NoReturn

import numpy as np

import stochq as sq
from stochq.cli import states as sections
from stochq.cli import systems
from stochq.cli.build_operators import Chain
from stochq.cli.errors import ConfigError, report
from stochq.cli.fields import Section
from stochq.systems.composite import Composite
from stochq.systems.hamiltonian import Hamiltonian


@singledispatch
def build_state(section: Section, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    """The ket (dim,) of a section. Raises: ConfigError if the state is none of this system's."""
    raise TypeError(f"no state is made from {type(section).__name__}")


@build_state.register
def _(section: sections.Basis, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    _check_index(section.index, hamiltonian.dim, place)
    return (np.arange(hamiltonian.dim) == section.index).astype(np.complex128)


@build_state.register
def _(section: sections.Eigenstate, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    _check_index(section.index, hamiltonian.dim, place)
    vectors = hamiltonian.eigenvectors
    if vectors is None:
        return (np.arange(hamiltonian.dim) == hamiltonian.order[section.index]).astype(np.complex128)
    return sq.normalize(vectors[:, section.index])


@build_state.register
def _(section: sections.Superposition, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    given = len(section.amplitudes)
    if given != hamiltonian.dim:
        raise ConfigError(report(place, "state.amplitudes", f"{hamiltonian.dim} amplitudes", f"{given}"))
    return sq.normalize(section.amplitudes)


@build_state.register
def _(section: sections.Plus, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    return sq.normalize(np.ones(hamiltonian.dim))


@build_state.register
def _(section: sections.Product, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not (isinstance(system, Chain) and hamiltonian.dim == 2**system.spins):
        _wrong_system(section, "a spin chain without symmetry sectors", system, place)
    theta, phi = (_per_site(getattr(section, key), key, system.spins, place) for key in ("theta", "phi"))
    spins = [np.array([np.cos(t / 2), np.exp(1j * p) * np.sin(t / 2)]) for t, p in zip(theta, phi, strict=True)]
    # Site 0 is the lowest bit of a basis state, so it varies fastest.
    return reduce(np.kron, reversed(spins))


@build_state.register
def _(section: sections.Gaussian, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not isinstance(system, systems.Particle):
        _wrong_system(section, "a particle", system, place)
    position, width, momentum = (
        values if len(values) > 1 else values[0] for values in (section.position, section.width, section.momentum)
    )
    return hamiltonian.gaussian(position, width, momentum)


@build_state.register
def _(section: sections.Cat, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not isinstance(system, systems.Particle):
        _wrong_system(section, "a particle", system, place)
    left, right = _packets(section, hamiltonian)
    return sq.normalize(left + right)


@build_state.register
def _(section: sections.Coherent, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not isinstance(system, systems.Oscillator):
        _wrong_system(section, "an oscillator", system, place)
    return hamiltonian.coherent(section.alpha)


@build_state.register
def _(section: sections.Squeezed, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not isinstance(system, systems.Oscillator):
        _wrong_system(section, "an oscillator", system, place)
    return hamiltonian.squeezed(section.r)


@build_state.register
def _(section: sections.Parts, system: Section, hamiltonian: Hamiltonian, place: str) -> np.ndarray:
    if not isinstance(system, systems.Tensor) or not isinstance(hamiltonian, Composite):
        _wrong_system(section, 'a system of kind "tensor"', system, place)
    if section.parts.keys() != system.parts.keys():
        expected = f"a state for each of {', '.join(system.parts)}"
        raise ConfigError(report(place, "state.parts", expected, ", ".join(section.parts)))
    own = zip(system.parts.items(), hamiltonian.parts, strict=True)
    return hamiltonian.product(*(build_state(section.parts[name], part, single, place) for (name, part), single in own))


def state_operators(section: Section, hamiltonian: Hamiltonian) -> dict[str, Callable[[], np.ndarray]]:
    """Makers of observables (dim, dim) that a state brings along: the coherence of the two packets of a cat."""
    return {"coherence": lambda: _coherence(section, hamiltonian)} if isinstance(section, sections.Cat) else {}


def _coherence(section: sections.Cat, hamiltonian: Hamiltonian) -> np.ndarray:
    left, right = _packets(section, hamiltonian)
    crossed = np.outer(left, right.conj())
    return crossed + crossed.conj().T


def _packets(section: sections.Cat, hamiltonian: Hamiltonian) -> tuple[np.ndarray, np.ndarray]:
    others = [0.0] * (hamiltonian.dimensions - 1)
    ends = [section.position + side * section.separation / 2 for side in (-1, 1)]
    left, right = (hamiltonian.gaussian([x, *others], section.width) for x in ends)
    return left, np.exp(1j * section.phase) * right


def _check_index(index: int, dim: int, place: str) -> None:
    if index >= dim:
        raise ConfigError(report(place, "state.index", f"at most {dim - 1}, for {dim} states", str(index)))


def _wrong_system(section: Section, expected: str, system: Section, place: str) -> NoReturn:
    found = f'system.kind = "{system.kind}"'
    raise ConfigError(report(place, "state.kind", f'{expected} for a state of kind "{section.kind}"', found))


def _per_site(values: list[float], key: str, sites: int, place: str) -> list[float]:
    if len(values) not in (1, sites):
        raise ConfigError(report(place, f"state.{key}", f"1 or {sites} angles, one per spin", str(len(values))))
    return values * sites if len(values) == 1 else values
