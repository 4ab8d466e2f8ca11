"""Stochastic Schrödinger equations on CPUs and GPUs: collapse, thermalization, continuous measurement.

    import stochq as sq

    chain = sq.systems.ising(8, coupling=1.0, transverse=0.9, longitudinal=0.4)        # where
    equation = sq.models.oqt(chain, strength=0.5, equilibrium=sq.canonical(chain, 1))  # what evolves
    result = sq.simulate(equation, psi0, times, observables={"m": chain.operators["magnetization"]},
                         trajectories=10_000)                                          # the ensemble
    exact = sq.exact.evolve(equation, psi0, times, observables={"m": ...})             # the judge
    print(sq.compare(result, exact))

`sq.systems` are bases and Hamiltonians, `sq.models` the papers' equations, `sq.schemes` how one step is made,
`sq.exact` the master equation, `sq.gaussian` phase space (Gaussian states, entropy production, detailed balance),
`sq.fit` fits parameters to data. Importing changes no JAX setting.
"""

from pathlib import Path as _Path

from stochq import channels as channels
from stochq import exact as exact
from stochq import gaussian as gaussian
from stochq import models as models
from stochq import schemes as schemes
from stochq import systems as systems
from stochq.ensemble import Density as Density
from stochq.ensemble import EnsembleResult as EnsembleResult
from stochq.ensemble import Histogram as Histogram
from stochq.ensemble import expectations as expectations
from stochq.ensemble import normalize as normalize
from stochq.ensemble import simulate as simulate
from stochq.ensemble import simulate_fermions as simulate_fermions
from stochq.equation import Equation as Equation
from stochq.exact import Comparison as Comparison
from stochq.exact import compare as compare
from stochq.inference import Fit as Fit
from stochq.inference import fit as fit
from stochq.models import canonical as canonical
from stochq.models import microcanonical as microcanonical

__version__ = "0.1.0"


def load(path: "str | _Path") -> EnsembleResult:
    """Read a result that `EnsembleResult.save` wrote.

    Raises FileNotFoundError, or ValueError for a file that is not a saved result.
    """
    from stochq.io import load as read

    return read(path)
