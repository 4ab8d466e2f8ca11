"""What fuzzing has shown, one for each kind: another library's error, another argument's name, NaN, or all memory."""

import re
import warnings
from collections.abc import Callable, Iterator

import numpy as np

import stochq as sq

KET, TIMES, RHO = np.array([0.6, 0.8]), [0.0, 1.0], np.eye(2) / 2
SUV = sq.models.suv(np.diag([0.0, 1.0]), strength=1.0)
LOWER, OPTIONS = np.array([[0.0, 0.0], [1.0, 0.0]]), {"observables": {"p": [1.0, 0.0]}, "trajectories": 2, "dt": 0.5}
TWO = np.array([1.0, 2.0])
WATCHED = sq.models.monitored(np.diag([0.0, 1.0]), {"z": sq.measurement.homodyne([1.0, -1.0])})
RECORD = sq.inference.Record(TIMES, [0.3], ["z"])
# Calls, and the argument that their error has to name.
SHOWN: dict[str, tuple[Callable[[], object], str]] = {
    "rates as text": (lambda: sq.models.suv([0.0, 1.0], strength="1.0"), "strength"),
    "complex rates": (lambda: sq.models.qmupl(sq.systems.oscillator(4), rate=1j), "rate"),
    "rates of sui": (
        lambda: sq.models.sui([0.0, 1.0], reduction=-1, thermalization=1, equilibrium=[1, 0]),
        "reduction",
    ),
    "hbar as object": (lambda: sq.models.unravel([0.0, 1.0], [LOWER], hbar=object()), "hbar"),
    "hbar of two": (lambda: sq.Equation(np.diag([0.0, 1.0]), (), hbar=TWO), "hbar"),
    "hbar of a particle": (lambda: sq.models.csl(sq.systems.particle(64, 16, 1), rate=1, length=1, hbar=()), "hbar"),
    "system of qmupl": (lambda: sq.models.qmupl(LOWER, rate=1.0), "system"),
    "rates of lengths": (lambda: sq.models.unravel([0.0, 1.0], [LOWER], rates=[1.0, [2.0]]), "rates"),
    "beta of two": (lambda: sq.canonical([0.0, 1.0], TWO), "beta"),
    "beta that overflows": (lambda: sq.canonical([0.0, 1e160], 1e300), "beta"),
    "diffusion that overflows": (
        lambda: sq.gaussian.brownian(1.0, 1.0, 0.3, 2.0, cross_diffusion=1e300),
        "cross_diffusion",
    ),
    "shape of a window": (lambda: sq.microcanonical([0.0, 1.0], KET, shape=TWO), "shape"),
    "masses": (
        lambda: sq.models.csl_lattice(
            [0.0, 1.0], occupations=np.eye(2), positions=TWO, rate=1, length=1, masses=-np.inf
        ),
        "masses",
    ),
    "strength that overflows": (
        lambda: sq.models.white_strength(1e300, variance=1.0, correlation_time=0.0),
        "coupling",
    ),
    "equation of a part": (lambda: sq.models.composite(sq.systems.tensor([0.0, 1.0], [0.0]), {0: 0.5}), "equations"),
    "joint system": (lambda: sq.models.composite(TWO, {0: SUV}), "joint"),
    "equation with feedback": (lambda: sq.models.markovian_feedback(3, {"c": LOWER}), "equation"),
    "time of a colour": (lambda: sq.noise.OrnsteinUhlenbeck(1j), "correlation_time"),
    "increments": (lambda: sq.schemes.Strang(increments=TWO), "increments"),
    "diffusive": (lambda: sq.schemes.Strang(diffusive="no"), "diffusive"),
    "extrapolated": (lambda: sq.schemes.Extrapolated(TWO), "scheme"),
    "level": (lambda: sq.FirstPassage([1.0, 0.0], {}), "level"),
    "operator of a histogram": (lambda: sq.Histogram([np.nan, 0.0], [0, 1]), "operator"),
    "edges": (lambda: sq.Histogram([1.0, 0.0], ["a", "b"]), "edges"),
    "order": (lambda: sq.Entropy([0], order=TWO), "order"),
    "norm": (lambda: sq.Distance([0], RHO, norm=TWO), "norm"),
    "kinds of a record": (lambda: sq.inference.Record(TIMES, [[[1.0]]], kinds=[[]]), "kinds"),
    "names of a record": (lambda: sq.inference.Record(TIMES, [[[1.0]]], names=iter("a")), "names"),
    "no rates": (lambda: sq.channels.Projectors([]), "rates"),
    "empty profile": (lambda: sq.channels.Kernel(np.zeros(0), 1.0), "profile"),
    "rate of a kernel": (lambda: sq.channels.Kernel(TWO, np.nan), "rate"),
    "unitary": (lambda: sq.channels.ProductBasis(LOWER, 1), "unitary"),
    "sites of a product basis": (lambda: sq.channels.ProductBasis("x", 10**9), "sites"),
    "sites of an operator": (lambda: sq.channels.at_site(LOWER, 0, 10**9), "sites"),
    "coupling": (lambda: sq.channels.StratonovichCollapse(1.0, np.nan, np.eye(2)), "coupling"),
    "offsets": (lambda: sq.channels.BandedOperators((None,), np.ones((1, 1, 2))), "offsets"),
    "mean": (lambda: sq.gaussian.State("x", np.eye(2)), "mean"),
    "drift": (lambda: sq.gaussian.Dynamics(int, np.eye(2)), "drift"),
    "friction": (lambda: sq.gaussian.csl_oscillator(1.0, TWO), "friction"),
    "radius": (lambda: sq.bounds.Sphere(1.0, None), "radius"),
    "sides": (lambda: sq.bounds.Cuboid(1.0, 2.0), "sides"),
    "body": (lambda: sq.bounds.force_noise(TWO, 1.0, 1.0), "body"),
    "lengths that overflow": (lambda: sq.bounds.force_noise(sq.bounds.Sphere(1.0, 1.0), 1.0, 1e-300), "length"),
    "heating": (lambda: sq.bounds.heating_power(1.0, None, 1.0), "rate"),
    "states that overflow": (lambda: sq.systems.reduced(1e159 * np.ones(4), [0]), "state"),
    "reduced of nothing": (lambda: sq.systems.reduced([None, 1], [0]), "state"),
    "ket": (lambda: sq.normalize({1}), "psi"),
    "interpolation": (lambda: sq.systems.sampled(TIMES, TIMES, interpolation=TWO), "interpolation"),
    "a class as function": (lambda: sq.systems.piecewise(object, [0.0, 1.0]), "function"),
    "coefficients": (lambda: sq.systems.driven(np.eye(2), [LOWER + LOWER.T], 1j), "coefficients"),
    "periodic": (lambda: sq.systems.ising(3, 1.0, 1.0, periodic=TWO), "periodic"),
    "parity": (lambda: sq.systems.xxz(3, 1.0, 1.0, parity=TWO), "parity"),
    "kinetic energy": (lambda: sq.systems.particle(8, 1.0, 1.0, hbar=1e300), "length, mass, hbar"),
    "points": (lambda: sq.systems.particle(10**9, 1.0, 1.0), "points"),
    "names of observables": (
        lambda: sq.simulate(SUV, KET, TIMES, **(OPTIONS | {"observables": {"p": [1, 0], 3: [1, 0]}})),
        "observables",
    ),
    "names of controls": (
        lambda: sq.feedback.Loop(sq.feedback.Proportional("c", "d", gain=1.0), {"d": np.eye(2), 3: np.eye(2)}),
        "controls",
    ),
    "operators that overflow": (lambda: sq.channels.DenseOperators([1e300 * LOWER]), "matrices"),
    "what is fitted": (lambda: sq.fit([None], TWO, TWO), "predict"),
    "arguments of what is fitted": (lambda: sq.fit(lambda one, other: one, (TWO, TWO), TWO), "predict"),
    "intervals of a fit": (lambda: sq.fit(np.cos, (TWO, TWO), TWO, intervals=TWO), "intervals"),
    "checkpoint of a fit": (lambda: sq.fit(np.cos, (TWO, TWO), TWO, checkpoint=TWO), "checkpoint"),
    "rows of a state": (lambda: sq.inference.filter(WATCHED, [[1.0, 0.0], None], RECORD), "state"),
    "method of evolve": (lambda: sq.exact.evolve(SUV, KET, TIMES, method=TWO), "method"),
    "optimizer": (lambda: sq.fit(np.cos, (TWO, TWO), TWO, optimizer=object()), "optimizer"),
    "progress of a fit": (lambda: sq.fit(np.cos, (TWO, TWO), TWO, progress=TWO), "progress"),
    "state of a filter": (lambda: sq.inference.filter(WATCHED, [1.0, 1.0], RECORD), "state"),
    "density of a filter": (lambda: sq.inference.filter(WATCHED, KET, RECORD, density=TWO), "density"),
    "method of a filter": (lambda: sq.inference.filter(WATCHED, KET, RECORD, method=np.zeros(0)), "method"),
    "likelihood of each": (lambda: sq.inference.log_likelihood(WATCHED, KET, RECORD, per_record=None), "per_record"),
    "precision": (lambda: sq.simulate(SUV, KET, TIMES, precision=TWO, **OPTIONS), "precision"),
    "step": (lambda: sq.expectations(SUV, KET, TIMES, **(OPTIONS | {"dt": -(2**70)})), "dt"),
    "scheme of a gradient": (
        lambda: sq.expectations(SUV, KET, TIMES, gradient="likelihood-ratio", scheme=1, **OPTIONS),
        "scheme",
    ),
}


def not_refused() -> Iterator[str]:
    """Which of these calls do not end in a ValueError that begins with the argument, and how they end."""
    for title, (call, name) in SHOWN.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                told = f"returned {call()!r}"
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        if not re.match(f"ValueError: {name}: .*expect", told):
            yield f"{title}: {told}"
