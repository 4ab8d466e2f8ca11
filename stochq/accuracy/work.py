"""How much work the steps of an ensemble are, counted from sizes alone; nothing is run."""

import numpy as np

from stochq.channels import Channel, DenseOperators, Energy, Flow, Given, Operators
from stochq.equation import Equation
from stochq.laws import Law
from stochq.systems.banded import Banded
from stochq.systems.grid import Particle
from stochq.systems.hamiltonian import DiagonalHamiltonian

# In units of about a tenth of a nanosecond on two cores, fitted to what `python -m benchmarks crossover` measures.
UNIT_ON_TWO_CORES = 1e-10
# One random number, in any of its forms.
_NORMAL = 40.0
# Elementwise work on the states of a step, per level: loads, phases, norms.
_LEVEL = 30.0
# Platen's step of one operator, which applies it several times, per level; a Fourier transform per level and log₂ d.
_OPERATOR, _FOURIER = 110.0, 10.0
# What acts on one spin of many, per level of all.
_SITE = 60.0
# A product of dense matrices gets this many more operations per second than elementwise work.
DENSE_GAIN = 8.0


def work_of_step(equation: Equation) -> float:
    """One trajectory and one step of the default scheme, in units of `UNIT_ON_TWO_CORES` seconds."""
    dim, work = equation.dim, _LEVEL * equation.dim
    if equation.hamiltonian.is_matrix_free:
        return work + _SITE * dim * np.log2(dim)
    for channel in equation.channels:
        work += _flow(channel, channel.law) + 16 * dim**2 / DENSE_GAIN * changes_basis(equation, channel)
    if isinstance(equation.hamiltonian, Particle):
        work += _FOURIER * dim * np.log2(dim)
    # Over a whole step a banded Hamiltonian is a dense matrix, too, as long as that is kept.
    dense_over_a_step = isinstance(equation.hamiltonian, Banded) and equation.hamiltonian.dense is not None
    return work + (8 * dim**2 / DENSE_GAIN if dense_over_a_step or not is_light(equation) else 0)


def _flow(channel: Channel, law: Law) -> float:
    """Random numbers and operators of a channel in one step, twice where its flow runs there and back."""
    flow = None if channel.missing_flow(law) else flow_of(channel)
    budget = channel.budget(law) if flow is None else flow.budget
    work = _NORMAL * (budget.real_normals + 2 * budget.complex_normals + budget.uniforms)
    if isinstance(channel, Operators):
        dense = 5 * 8 * channel.dim / DENSE_GAIN if isinstance(channel, DenseOperators) else 0.0
        work += channel.count * channel.dim * (_OPERATOR + dense)
    return work * (1 if flow is None or flow.is_symmetric else 2)


def flow_of(channel: Channel) -> Flow:
    """The flow of the default scheme."""
    return channel.jump_flow() if channel.law.counts else channel.flow(channel.law)


def is_light(equation: Equation) -> bool:
    """Whether the Hamiltonian acts without a dense matrix."""
    hamiltonian = equation.hamiltonian
    return isinstance(hamiltonian, (DiagonalHamiltonian, Particle, Banded))


def basis_key(equation: Equation, channel: Channel) -> str | bytes | None:
    """A key of the channel's basis: None for the given one."""
    if isinstance(channel.basis, Given):
        return None
    if isinstance(channel.basis, Energy) and not isinstance(equation.hamiltonian, DiagonalHamiltonian):
        return "energy"
    matrix = equation.basis_matrix(channel)
    if matrix is None:
        return None
    return "energy" if isinstance(channel.basis, Energy) else np.asarray(matrix).tobytes()


def changes_basis(equation: Equation, channel: Channel) -> bool:
    """Whether states are turned to another basis for the channel."""
    return basis_key(equation, channel) is not None
