"""Recover the strengths of reduction and thermalization of a spin chain from noisy ensemble means.

A SUI chain (`thermalization` eqs. 7 and 8) is simulated with known 𝒥𝒩 and α𝒩. Its means, with the errors of a
thousand trajectories, play the measurement; the fit starts from strengths several times too large and returns both
with their uncertainty. The prediction is exact, by the master equation. Takes some five seconds on two cores. Run:

    python scripts/examples/fit-sui-chain.py [PICTURE.png]
"""

import sys
from functools import reduce

import jax.numpy as jnp
import numpy as np

import stochq as sq

SITES, TIMES = 4, np.linspace(0.0, 4.0, 17)
TRUTH = {"reduction": 0.25, "thermalization": 0.4}
START = {"reduction": 1.0, "thermalization": 1.0}
CHAIN = sq.systems.ising(SITES, coupling=1.0, transverse=0.9, longitudinal=0.4)
# All spins tilted from the z axis, and the equilibrium that the chain would reach without reduction.
PSI0 = reduce(np.kron, [np.array([np.cos(0.9), np.sin(0.9)])] * SITES)
EQUILIBRIUM = sq.canonical(CHAIN, beta=0.3)
OBSERVABLES = {name: CHAIN.operators[name] for name in ("magnetization", "transverse", "domain_walls", "energy")}


def equation(strengths):
    return sq.models.sui(CHAIN, **strengths, equilibrium=EQUILIBRIUM)


def measure():
    return sq.simulate(equation(TRUTH), PSI0, TIMES, observables=OBSERVABLES, trajectories=1000, seed=1)


def predict(logarithms):
    """Exact means as a differentiable function of the strengths' logarithms, positive whatever step is tried."""
    strengths = {name: jnp.exp(value) for name, value in logarithms.items()}
    return sq.expectations(equation(strengths), PSI0, TIMES, observables=OBSERVABLES)


def report(fit):
    """The strengths with their errors, those of the logarithms times the strengths, beside the truth."""
    print(fit, end="\n\n")
    print("parameter            fitted            truth    deviation")
    for name, truth in TRUTH.items():
        value = np.exp(fit.parameters[name])
        error = value * fit.stderr[name]
        print(f"{name:<16} {value:7.4f} ± {error:.4f}   {truth:7.4f}   {(value - truth) / error:+.1f} errors")


def draw(fit, path):
    fit.plot().savefig(path, dpi=150)
    print(f"\npicture: {path}")


def logs(strengths):
    return {name: np.log(value) for name, value in strengths.items()}


if __name__ == "__main__":
    measured = measure()
    found = sq.fit(predict, measured, logs(START))
    report(found)
    draw(found, sys.argv[1] if len(sys.argv) > 1 else "fit-sui-chain.png")
