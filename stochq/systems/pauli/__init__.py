"""Spins 1/2 that are never matrices: sums of Pauli strings and the Hamiltonians made of them."""

from stochq.systems.pauli.hamiltonian import SpinHamiltonian as SpinHamiltonian
from stochq.systems.pauli.hamiltonian import spins as spins
from stochq.systems.pauli.sums import PauliSum as PauliSum
