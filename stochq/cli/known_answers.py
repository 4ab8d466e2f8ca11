"""Problems of few levels whose means at time 1 are known in closed form, for `stochq doctor`."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import stochq as sq
from stochq.equation import Equation
from stochq.laws import NoiseLaw

# 1/√2 times the sum and single levels of a qubit; σx; the operator that takes level 1 to level 0.
_PLUS, _LOWER_LEVEL, _UPPER_LEVEL = np.full(2, 0.5**0.5), np.array([1.0, 0.0]), np.array([0.0, 1.0])
_SIGMA_X, _SIGMA_Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, -1.0])
_LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])


class KnownAnswer(NamedTuple):
    """A mean that is known at time 1. observable: a diagonal or a matrix; dt: None where a run has no steps."""

    title: str
    equation: Equation
    psi0: np.ndarray
    observable: Any
    value: float
    dt: float | None = 0.05


def known_answers() -> Iterator[KnownAnswer]:
    """A dozen, one after another: they take time to make."""
    yield from _qubits()
    yield _rabi()
    yield _heated()
    yield _cavity()
    yield _reduction()
    yield thermalization()
    yield _localization()


def _qubits() -> Iterator[KnownAnswer]:
    """Dephasing at 2γ = 0.6 and decay at 0.8, by every law of noise: dρ/dt = LρL† − {L†L, ρ}/2, ⟨σx⟩ = cos(t) e^{−2γt}
    and P = e^{−0.8 t}."""
    qubit, dephasing, decay = sq.systems.levels([0.0, 1.0]), math.sqrt(0.3) * _SIGMA_Z, math.sqrt(0.8) * _LOWER
    diffusive: tuple[NoiseLaw, ...] = ("real", "complex", "unitary")
    steps: tuple[tuple[NoiseLaw, float | None], ...] = (("jump", None), ("real", 0.02), ("complex", 0.02))
    for noise in diffusive:
        equation = sq.models.unravel(qubit, [dephasing], noise=noise)
        yield KnownAnswer(f"dephasing, {noise} noise", equation, _PLUS, _SIGMA_X, math.cos(1) * math.exp(-0.6))
    for noise, dt in steps:
        equation = sq.models.unravel(qubit, [decay], noise=noise)
        title = "decay by jumps" if noise == "jump" else f"decay, {noise} noise"
        yield KnownAnswer(title, equation, _UPPER_LEVEL, _UPPER_LEVEL, math.exp(-0.8), dt)


def _rabi() -> KnownAnswer:
    """Ω = 2, γ = 0.4: z'' + 2γz' + Ω²z = 0 from z = 1 at rest."""
    rabi, gamma = 2.0, 0.4
    equation = sq.models.unravel(sq.systems.levels(rabi / 2 * _SIGMA_X), [math.sqrt(gamma) * _SIGMA_Z], noise="real")
    omega = math.sqrt(rabi**2 - gamma**2)
    value = math.exp(-gamma) * (math.cos(omega) + gamma / omega * math.sin(omega))
    return KnownAnswer("Rabi oscillation, dephased", equation, _LOWER_LEVEL, _SIGMA_Z, value, 0.02)


def _heated() -> KnownAnswer:
    """Rates 0.3 upwards and 0.7 downwards: P = 0.3 (1 − e^{−t})."""
    both = [math.sqrt(0.3) * _LOWER.T, math.sqrt(0.7) * _LOWER]
    equation = sq.models.unravel(sq.systems.levels([0.0, 1.0]), both, noise="real")
    return KnownAnswer("qubit in a bath", equation, _LOWER_LEVEL, _UPPER_LEVEL, -0.3 * math.expm1(-1), 0.02)


def _cavity() -> KnownAnswer:
    """Loss at 0.5 of 2.25 photons: n e^{−0.5 t}."""
    cavity = sq.systems.oscillator(24)
    lost = math.sqrt(0.5) * np.diag(np.sqrt(np.arange(1.0, 24)), 1)
    equation = sq.models.unravel(cavity, [lost], noise="complex")
    value = 2.25 * math.exp(-0.5)
    return KnownAnswer("cavity with losses", equation, np.asarray(cavity.coherent(1.5)), np.arange(24.0), value, 0.02)


def _reduction() -> KnownAnswer:
    """Without a Hamiltonian coherences decay at 𝒥𝒩 = 0.5."""
    equation = sq.models.suv(sq.systems.levels([0.0, 0.0]), strength=0.5)
    return KnownAnswer("SUV, coherence", equation, np.array([0.6, 0.8]), _SIGMA_X, 0.96 * math.exp(-0.5))


def thermalization() -> KnownAnswer:
    """OQT at a = 0.9: e^{−at}ρ + (1 − e^{−at})χ."""
    equation = sq.models.oqt(sq.systems.levels([0.0, 0.5, 1.2]), strength=0.9, equilibrium=[0.5, 0.3, 0.2])
    value = 0.3 * -math.expm1(-0.9)
    return KnownAnswer("OQT, a population", equation, np.array([0.6, 0.0, 0.8]), np.array([0.0, 1.0, 0.0]), value)


def _localization() -> KnownAnswer:
    """A free packet of width 1, its energy 1/8, heated by CSL at λ/(4 r_C²) = 0.125."""
    particle = sq.systems.particle(64, 16.0, 1.0, None)
    equation = sq.models.csl(particle, rate=0.5, length=1.0)
    packet = np.asarray(particle.gaussian(0.0, 1.0))
    return KnownAnswer("CSL, heating", equation, packet, particle.operators["energy"], 0.25)
