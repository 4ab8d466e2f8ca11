"""The usual calls, with what people bring; a type checker finds nothing in them. See tests/test_types.py."""

import jax
import jax.numpy as jnp
import numpy as np
import qutip
import scipy.sparse
from jax.experimental.sparse import BCOO

import stochq as sq

LOWER = np.array([[0.0, 1.0], [0.0, 0.0]])

# Hamiltonians and jump operators: lists, NumPy, JAX, SciPy, QuTiP.
sq.models.unravel([0.0, 1.0], [LOWER])
sq.models.unravel([[0.0, 1.0], [1.0, 0.0]], [[[0.0, 1.0], [0.0, 0.0]]], noise="complex")
sq.models.unravel(jnp.diag(jnp.arange(2.0)), [jnp.asarray(LOWER), np.array([0.0, 1.0])], noise="jump")
sq.models.unravel(scipy.sparse.csr_array(np.eye(2)), [scipy.sparse.csr_array(LOWER)])
sq.models.unravel(BCOO.fromdense(jnp.eye(2)), [LOWER])
equation = sq.models.unravel(qutip.sigmax(), [qutip.sigmam()])

# States and times.
named = {"p": np.array([0.0, 1.0])}
sq.simulate(equation, [1, 0], [0, 1], observables=named, trajectories=10)
sq.simulate(equation, [1j, 0.0], (0.0, 0.5), observables=named, trajectories=10, dt=0.1, seed=1)
sq.simulate(equation, qutip.basis(2, 0), range(3), observables=named, trajectories=10, keep=2)
sq.simulate(equation, jnp.array([1.0, 0.0]), jnp.linspace(0, 1, 3), observables=named, trajectories=10)
sq.simulate(equation, [[0.5, 0.0], [0.0, 0.5]], np.linspace(0, 1, 3), observables=["energy"], trajectories=10)
sq.simulate(
    equation, np.array([0.6, 0.8]), np.arange(3), observables=("energy",), trajectories=10, devices=jax.devices()
)

# Observables.
result = sq.simulate(
    equation,
    [1.0, 0.0],
    np.linspace(0, 1, 3),
    observables={
        "diagonal": [0.0, 1.0],
        "matrix": np.diag([1.0, -1.0]),
        "qobj": qutip.sigmaz(),
        "sparse": scipy.sparse.csr_array(np.eye(2)),
        "function": lambda psi: jnp.abs(psi[0]) ** 2,
        "name": "energy",
        "density": sq.Density(),
        "histogram": sq.Histogram(np.array([0.0, 1.0]), np.linspace(0, 1, 11)),
    },
    trajectories=10,
    scheme=sq.schemes.Strang(),
)
exact = sq.exact.evolve(equation, [1.0, 0.0], np.linspace(0, 1, 3), observables=named)
print(sq.compare(result, exact))
result.plot()
result.plot(exact, residuals=True)
result.plot("p", "q", trajectories={"p": np.zeros((1, 3))})
print(result.mean["p"][-1] - exact.mean["p"][-1])

# Systems and models.
chain = sq.systems.ising(4, coupling=1.0, transverse=0.9, longitudinal=np.float64(0.4))
sq.models.oqt(chain, strength=0.5, equilibrium=sq.canonical(chain, 1))
sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=jnp.float32(0.5), hbar=1)
trap = sq.systems.particle(64, length=16.0, mass=1.0, potential=sq.systems.harmonic(1.0))
sq.models.csl(trap, rate=0.5, length=1.0)
trap.gaussian(position=1.0, width=1.0)
sq.systems.oscillator(12).coherent(1 + 0.5j)
drive = sq.systems.driven([0.0, 1.0], [LOWER + LOWER.T], [lambda t: 0.3 * jnp.cos(t)])
sq.systems.driven([0.0, 1.0], [(LOWER, lambda t: 0.3 * jnp.exp(1j * t))])
sampled = sq.systems.sampled([0.0, 1.0], [0.0, 0.5])
sq.systems.driven([0.0, 1.0], [LOWER + LOWER.T], sampled)
sq.channels.TimeDependentOperator([(LOWER, sampled), ([[0.0, 1.0], [0.0, 0.0]], lambda t: jnp.exp(2j * t))])
swap = [{"left": LOWER, "right": LOWER.T}, {"left": LOWER.T, "right": LOWER}]
sq.systems.tensor(left=[0.0, 1.0], right=[0.0, 1.0], coupling=[(0.25, term) for term in swap])

# Measurement and inference.
watched = sq.models.monitored(drive, {"light": sq.measurement.heterodyne(LOWER, efficiency=0.5)})
record = sq.inference.sample_records(watched, [1.0, 0.0], [0, 0.5, 1.0], records=10)
sq.inference.filter(watched, [1.0, 0.0], record, observables=["energy"])


def model(theta):
    equation = sq.models.unravel([0.0, 1.0], [jnp.sqrt(theta["rate"]) * LOWER])
    return sq.expectations(equation, [0.0, 1.0], [0.0, 1.0], observables=named, trajectories=10, dt=0.1)


sq.fit(model, {"p": (np.array([1.0, 0.4]), 0.1)}, start={"rate": 1.0}, bounds={"rate": (0.0, None)})
sq.fit(lambda rate: rate * np.array([2.0, 2.0]), (np.array([1.1, 0.9]), 0.1), start=1.0, starts=3)
sq.fit(model, result, start={"rate": 1.0})
