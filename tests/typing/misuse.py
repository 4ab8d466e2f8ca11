"""Wrong calls, one a line, each of which a type checker tells; nobody runs them. See tests/test_types.py."""

import jax.numpy as jnp
import numpy as np

import stochq as sq

H, PSI, TIMES = np.diag([0.0, 1.0]), np.array([1.0, 0.0]), np.linspace(0.0, 1.0, 3)
LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])
EQUATION = sq.models.unravel(H, [LOWER])
NAMED = {"p": np.array([0.0, 1.0])}
RESULT = sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories=10)
EXACT = sq.exact.evolve(EQUATION, PSI, TIMES, observables=NAMED)

sq.simulate(EQUATION, "x", TIMES, observables=NAMED, trajectories=10)
sq.simulate(EQUATION, PSI, 3, observables=NAMED, trajectories=10)
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories="many")
sq.simulate(EQUATION, PSI, TIMES, observables=3, trajectories=10)
sq.simulate(EQUATION, PSI, TIMES, observables="energy", trajectories=10)
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories=10, scheme=7)
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories=10, seed="a")
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories=10, precision="half")
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED, trajectories=10, step=0.1)
sq.simulate(EQUATION, PSI, TIMES, observables=NAMED)
sq.simulate(EQUATION, PSI, TIMES, observables={"p": 3}, trajectories=10)
RESULT.plot(foo=1)
RESULT.plot(residuals="yes")
sq.exact.evolve(EQUATION, "ground", TIMES, observables=NAMED)
sq.exact.evolve(EQUATION, PSI, TIMES, observables=NAMED, method="magic")
sq.compare(RESULT, NAMED)
sq.models.suv(H, strength="strong")
sq.models.monitored(H, [sq.measurement.homodyne(LOWER)])
sq.measurement.homodyne(LOWER, efficiency="all")
sq.systems.levels("x")
sq.systems.oscillator("many")
sq.systems.driven(H, [LOWER], 3)
sq.fit(lambda rate: rate * jnp.ones(2), "data", start=1.0)
sq.fit(3, (np.ones(2), 0.1), start=1.0)
sq.canonical(H, beta="hot")
