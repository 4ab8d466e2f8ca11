"""The equations of the papers, as small constructors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stochq.models.brownian import brownian as brownian
from stochq.models.brownian import unravel as unravel
from stochq.models.coloured import coloured_suv as coloured_suv
from stochq.models.coloured import white_strength as white_strength
from stochq.models.feedback import markovian_feedback as markovian_feedback
from stochq.models.hits import dissipative_csl as dissipative_csl
from stochq.models.hits import grw as grw
from stochq.models.localization import csl as csl
from stochq.models.localization import csl_lattice as csl_lattice
from stochq.models.localization import diosi_penrose as diosi_penrose
from stochq.models.localization import qmupl as qmupl
from stochq.models.monitored import monitored as monitored
from stochq.models.parts import composite as composite
from stochq.models.reduction import energy_driven as energy_driven
from stochq.models.reduction import suv as suv
from stochq.models.thermalization import canonical as canonical
from stochq.models.thermalization import microcanonical as microcanonical
from stochq.models.thermalization import oqt as oqt
from stochq.models.universal import sui as sui

if TYPE_CHECKING:
    from stochq.fermions import FermionGas as FermionGas
    from stochq.fermions import fermion_gas as fermion_gas


__all__ = [
    "FermionGas",
    "brownian",
    "canonical",
    "coloured_suv",
    "composite",
    "csl",
    "csl_lattice",
    "diosi_penrose",
    "dissipative_csl",
    "energy_driven",
    "fermion_gas",
    "grw",
    "markovian_feedback",
    "microcanonical",
    "monitored",
    "oqt",
    "qmupl",
    "sui",
    "suv",
    "unravel",
    "white_strength",
]


def __getattr__(name: str) -> Any:
    """What stands in a room further up is imported when it is first asked for."""
    if name in ("FermionGas", "fermion_gas"):
        return getattr(import_module("stochq.fermions"), name)
    raise AttributeError(f"module 'stochq.models' has no attribute {name!r}")
