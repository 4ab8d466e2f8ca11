"""Gases of fermions in random potentials: Slater determinants, their heating, ensembles of them."""

from stochq.fermions.gas import FermionGas as FermionGas
from stochq.fermions.gas import fermion_gas as fermion_gas
from stochq.fermions.simulate import simulate_fermions as simulate_fermions
