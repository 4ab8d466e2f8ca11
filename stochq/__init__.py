"""Stochastic Schrödinger equations on CPUs and GPUs: collapse, thermalization, continuous measurement.

    import stochq as sq

    chain = sq.systems.ising(8, coupling=1.0, transverse=0.9, longitudinal=0.4)        # where
    equation = sq.models.oqt(chain, strength=0.5, equilibrium=sq.canonical(chain, 1))  # what evolves
    result = sq.simulate(equation, psi0, times, observables={"m": chain.operators["magnetization"]},
                         trajectories=10_000)                                          # the ensemble
    exact = sq.exact.evolve(equation, psi0, times, observables={"m": ...})             # the reference
    print(sq.compare(result, exact))

`sq.systems` are bases and Hamiltonians, `sq.models` the papers' equations, `sq.schemes` how one step is made,
`sq.noise` noise with a spectrum, `sq.measurement` detectors and what they write down,
`sq.exact` the master equation, `sq.gaussian` phase space (Gaussian states, entropy production, detailed balance),
`sq.fit` fits parameters to data, `sq.inference` has conditional states and likelihoods of records, `sq.bounds` heating
by collapse and what experiments exclude, in SI units (`sq.constants`),
`sq.plotting` pictures of states. Importing changes no JAX setting.
"""

from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from stochq import channels as channels
from stochq import constants as constants
from stochq import exact as exact
from stochq import feedback as feedback
from stochq import inference as inference
from stochq import measurement as measurement
from stochq import models as models
from stochq import noise as noise
from stochq import schemes as schemes
from stochq import systems as systems
from stochq.compare import Comparison as Comparison
from stochq.compare import compare as compare
from stochq.ensemble import Density as Density
from stochq.ensemble import EnsembleResult as EnsembleResult
from stochq.ensemble import FirstPassage as FirstPassage
from stochq.ensemble import Histogram as Histogram
from stochq.ensemble import Reduced as Reduced
from stochq.ensemble import Statistic as Statistic
from stochq.ensemble import expectations as expectations
from stochq.ensemble import normalize as normalize
from stochq.ensemble import simulate as simulate
from stochq.equation import Equation as Equation
from stochq.fermions import simulate_fermions as simulate_fermions
from stochq.inference import Fit as Fit
from stochq.inference import fit as fit
from stochq.models import canonical as canonical
from stochq.models import microcanonical as microcanonical
from stochq.systems.subsystems import Distance as Distance
from stochq.systems.subsystems import Entropy as Entropy
from stochq.systems.subsystems import Purity as Purity

if _TYPE_CHECKING:
    from stochq import bounds as bounds
    from stochq import gaussian as gaussian
    from stochq import plotting as plotting

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "Density",
    "Distance",
    "EnsembleResult",
    "Entropy",
    "Equation",
    "FirstPassage",
    "Fit",
    "Histogram",
    "Purity",
    "Reduced",
    "Statistic",
    "bounds",
    "canonical",
    "channels",
    "compare",
    "constants",
    "exact",
    "expectations",
    "feedback",
    "fit",
    "gaussian",
    "inference",
    "load",
    "measurement",
    "microcanonical",
    "models",
    "noise",
    "normalize",
    "plotting",
    "schemes",
    "simulate",
    "simulate_fermions",
    "systems",
]


def __getattr__(name: str) -> _Any:
    """Rooms that most programs do not enter are imported when they are first asked for."""
    if name in ("bounds", "gaussian", "plotting"):
        return _import_module(f"stochq.{name}")
    raise AttributeError(f"module 'stochq' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What users see: the public names, and none of the rooms that they are made of."""
    return [*__all__, "__doc__", "__version__"]


def load(path: "str | _Path") -> EnsembleResult:
    """Read a result that `EnsembleResult.save` wrote.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for a file that is not a saved result.
    """
    from stochq.io import load as read

    if not isinstance(path, (str, _Path)):
        raise ValueError(f"path: expected the name of a file; got {path!r}.")
    return read(path)
