"""Recover frequency and measurement rate of an oscillator from records of its position.

An oscillator of frequency ω starts in a coherent state. Its position is watched at the rate κ, L = √κ q, by a detector
of known efficiency, and the measurement heats it. A hundred records, simulated in Hilbert space, play the experiment;
the fit follows their Gaussian states in phase space, where the likelihood is exact for bins of any width. Run:

    python scripts/examples/fit-oscillator.py
"""

import jax.numpy as jnp
import numpy as np

import stochq as sq

TIMES = np.linspace(0.0, 10.0, 101)
TRUTH = {"frequency": 1.0, "rate": 0.2}
START = {"frequency": 1.1, "rate": 0.1}
BOUNDS = {"rate": (0.0, None)}
EFFICIENCY, LEVELS, DISPLACEMENT = 0.6, 32, 2.0


def model(parameters):
    """The linear system H = ω(q² + p²)/2 under watch, and its initial state: mean and covariance of (q, p)."""
    watched = jnp.sqrt(parameters["rate"]) * jnp.array([[1.0, 0.0]])
    system = sq.gaussian.Monitored(parameters["frequency"] * jnp.eye(2), watched, efficiency=EFFICIENCY)
    return system, sq.gaussian.State([DISPLACEMENT, 0.0], np.eye(2) / 2)


def measure(records=100, seed=0):
    """Records of the same oscillator in its Fock states."""
    oscillator = sq.systems.kerr(LEVELS, detuning=TRUTH["frequency"], kerr=0.0)
    position = np.sqrt(TRUTH["rate"]) * oscillator.operators["position"]
    equation = sq.models.monitored(oscillator, {"position": sq.measurement.homodyne(position, efficiency=EFFICIENCY)})
    numbers = np.arange(LEVELS)
    coherent = sq.normalize((DISPLACEMENT / np.sqrt(2)) ** numbers / np.sqrt(np.cumprod(np.maximum(numbers, 1.0))))
    run = {"observables": {"number": numbers * 1.0}, "trajectories": records, "dt": 0.02, "seed": seed}
    return sq.simulate(equation, coherent, TIMES, records=True, **run).records


def report(fit):
    print(fit, end="\n\n")
    print("parameter     fitted           truth   95 % interval")
    low, high = fit.intervals(0.95)
    for name, truth in TRUTH.items():
        value, error = fit.parameters[name], fit.stderr[name]
        print(f"{name:<12} {value:6.4f} ± {error:.4f}  {truth:6.3f}   {low[name]:.4f} to {high[name]:.4f}")


if __name__ == "__main__":
    report(sq.fit(model, measure(), START, bounds=BOUNDS, intervals="profile"))
