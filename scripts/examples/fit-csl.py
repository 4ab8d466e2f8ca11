"""Find the two parameters of CSL, λ and r_C, in interference patterns that collapse washes out.

A free particle is prepared in a superposition of two packets, once 3 and once 8 apart. Its position is measured at
eight times, in 32 bins, with an error of 4·10⁻⁴ of each probability. Close packets tell λ/r_C², distant ones λ:
together they tell both, to 2 % and 1.4 %. The prediction is exact, by the master equation. Run:

    python scripts/examples/fit-csl.py
"""

import jax.numpy as jnp
import numpy as np

import stochq as sq

PARTICLE = sq.systems.particle(128, length=32.0, mass=1.0)
TIMES = np.linspace(0.0, 4.0, 9)
EDGES = np.linspace(-8.0, 8.0, 33)
ERROR = 4e-4
TRUTH = {"rate": 0.3, "length": 1.5}
START = {"rate": 0.6, "length": 1.0}
X = np.asarray(PARTICLE.coordinates[0])
BINS = {f"{low:g}": ((low <= X) & (high > X)).astype(float) for low, high in zip(EDGES[:-1], EDGES[1:], strict=True)}


def packets(distance):
    """Two packets of standard deviation 0.7 at ±distance."""
    return sq.normalize(sum(np.exp(-((X - centre) ** 2) / (4 * 0.49)) for centre in (distance, -distance)))


STATES = {"near": packets(1.5), "far": packets(4.0)}


def predict(logarithms):
    """Probabilities of the bins, (bin, time), of both preparations; logarithms keep rate and length positive."""
    values = {name: jnp.exp(value) for name, value in logarithms.items()}
    equation = sq.models.csl(PARTICLE, **values)
    patterns = {name: sq.expectations(equation, psi0, TIMES, observables=BINS) for name, psi0 in STATES.items()}
    return {name: jnp.stack(list(pattern.values()))[:, 1:] for name, pattern in patterns.items()}


def measure(seed=1):
    """Patterns at the true parameters with Gaussian errors, made by the solver that needs no derivatives."""
    rng = np.random.default_rng(seed)
    equation = sq.models.csl(PARTICLE, **TRUTH)
    data = {}
    for name, psi0 in STATES.items():
        pattern = np.stack(list(sq.exact.evolve(equation, psi0, TIMES, observables=BINS).expect.values()))[:, 1:]
        data[name] = (pattern + ERROR * rng.normal(size=pattern.shape), np.full(pattern.shape, ERROR))
    return data


def report(fit):
    print(fit, end="\n\n")
    print("parameter      fitted            truth")
    for name, truth in TRUTH.items():
        value = np.exp(fit.parameters[name])
        print(f"{name:<10} {value:8.3f} ± {value * fit.stderr[name]:.3f}   {truth:6.3f}")


def logs(values):
    return {name: np.log(value) for name, value in values.items()}


if __name__ == "__main__":
    report(sq.fit(predict, measure(), logs(START)))
