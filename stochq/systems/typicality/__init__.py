"""Equilibria without a spectrum: functions of the Hamiltonian, and traces by random vectors."""

from stochq.systems.typicality.equilibrium import Equilibrium as Equilibrium
from stochq.systems.typicality.equilibrium import EquilibriumMap as EquilibriumMap
from stochq.systems.typicality.traces import Estimate as Estimate

__all__ = ["Equilibrium", "EquilibriumMap", "Estimate"]
