"""Where it happens: bases, Hamiltonians and their named observables."""

from stochq.systems.chains import ising as ising
from stochq.systems.chains import xxz as xxz
from stochq.systems.composite import Composite as Composite
from stochq.systems.coupling import tensor as tensor
from stochq.systems.driven import driven as driven
from stochq.systems.fock import kerr as kerr
from stochq.systems.fock import oscillator as oscillator
from stochq.systems.grid import particle as particle
from stochq.systems.hamiltonian import Hamiltonian as Hamiltonian
from stochq.systems.levels import levels as levels
from stochq.systems.pauli import PauliSum as PauliSum
from stochq.systems.pauli import spins as spins
from stochq.systems.potentials import double_well as double_well
from stochq.systems.potentials import harmonic as harmonic
from stochq.systems.subsystems import reduced as reduced
from stochq.systems.time_functions import piecewise as piecewise
from stochq.systems.time_functions import sampled as sampled

__all__ = [
    "Composite",
    "Hamiltonian",
    "PauliSum",
    "double_well",
    "driven",
    "harmonic",
    "ising",
    "kerr",
    "levels",
    "oscillator",
    "particle",
    "piecewise",
    "reduced",
    "sampled",
    "spins",
    "tensor",
    "xxz",
]
