"""Cool an oscillator by feedback: occupation against gain, beside the linear theory.

The position of a warm oscillator (ω = m = ħ = 1) is measured continuously. A lock-in amplifier finds in the current
what turns with the oscillator, and a force proportional to the momentum so found damps it. At small gain the bath wins;
at large gain the force shakes the oscillator with the noise of the detector. All is linear, so that the closed loop's
covariance obeys V' = AV + VAᵀ + D exactly. Takes about a minute on two cores. Run:

    python scripts/examples/cool-oscillator.py [PICTURE.png]
"""

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

import stochq as sq

LEVELS = 28
STRENGTH, EFFICIENCY = 0.1, 0.8  # of the measurement: L = √k x, and what of it reaches the record
DAMPING, BATH = 0.1, 1.5  # of the oscillator by its bath, and the bath's occupation
WARM = BATH + 0.5 * STRENGTH / DAMPING  # what bath and measurement lead to
BANDWIDTH = 0.5  # of the lock-in amplifier
GAINS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8])

OSCILLATOR = sq.systems.oscillator(LEVELS)
LOWERING = np.diag(np.sqrt(np.arange(1.0, LEVELS)), 1)
POSITION = (LOWERING + LOWERING.T) / np.sqrt(2)
NUMBER = {"n": np.arange(float(LEVELS))}


class LockIn(sq.feedback.Controller):
    """b' = −(κ + iω)b + κI, whose imaginary part is √(ηk) times the momentum; the force is −gain times that."""

    gain: Any

    def init(self):
        return jnp.zeros((), complex)

    def update(self, memory, record, t, dt):
        rate = BANDWIDTH + 1j
        kept = jnp.exp(-rate * dt)  # exact for a current that is constant in the step
        return kept * memory + (1 - kept) * BANDWIDTH / rate * record["position"]

    def output(self, memory, t):
        return {"force": self.gain * memory.imag / np.sqrt(EFFICIENCY * STRENGTH)}


def equation():
    return sq.models.monitored(
        OSCILLATOR,
        {
            "position": sq.measurement.homodyne(np.sqrt(STRENGTH) * POSITION, efficiency=EFFICIENCY),
            "out": sq.measurement.unread(np.sqrt(DAMPING * (BATH + 1)) * LOWERING),
            "in": sq.measurement.unread(np.sqrt(DAMPING * BATH) * LOWERING.T),
        },
    )


def warm_state():
    """The thermal state of the occupation WARM, (LEVELS, LEVELS)."""
    weights = (WARM / (WARM + 1)) ** np.arange(LEVELS)
    return np.diag(weights / weights.sum())


def simulated(gain, times, trajectories, dt=0.02, seed=1):
    loop = sq.feedback.Loop(LockIn(gain), {"force": POSITION})
    run = {"observables": NUMBER, "trajectories": trajectories, "dt": dt, "seed": seed, "feedback": loop}
    return sq.simulate(equation(), warm_state(), times, **run)


def linear(gain, times):
    """The occupation of the closed loop (x, p, Re b, Im b), (T,), from the warm state."""
    scale = np.sqrt(EFFICIENCY * STRENGTH)
    drift = np.array(
        [
            [-DAMPING / 2, 1, 0, 0],
            [-1, -DAMPING / 2, 0, -gain / scale],
            [2 * scale * BANDWIDTH, 0, -BANDWIDTH, 1],
            [0, 0, -1, -BANDWIDTH],
        ]
    )
    bath = DAMPING * (BATH + 0.5)
    noise = np.diag([bath, bath + STRENGTH, BANDWIDTH**2, 0.0])
    one = np.eye(4)
    whole = np.kron(drift, one) + np.kron(one, drift)
    steady = -np.linalg.solve(whole, noise.reshape(-1))
    start = np.diag([WARM + 0.5, WARM + 0.5, 0.0, 0.0]).reshape(-1)
    moments = [(steady + expm(whole * t) @ (start - steady)).reshape(4, 4) for t in times]
    return np.array([(V[0, 0] + V[1, 1] - 1) / 2 for V in moments])


def picture(path, results, times):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from stochq.plotting import BLUE, VERMILION, style

    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        fine = np.linspace(0, GAINS[-1], 200)
        left.plot(fine, [linear(gain, times[-1:])[0] for gain in fine], color=BLUE, label="linear theory")
        found = [(r.mean["n"][-1], 2 * r.stderr["n"][-1]) for r in results.values()]
        values, errors = np.transpose(found)
        left.errorbar(list(results), values, errors, fmt="o", color=VERMILION, label="trajectories, ±2 standard errors")
        left.set(xlabel="gain $g$", ylabel=rf"occupation at $\omega t = {times[-1]:g}$", ylim=(0, None))
        left.legend()
        for gain, colour in ((0.0, VERMILION), (0.3, BLUE)):
            right.plot(times, linear(gain, times), color=colour, label=f"g = {gain:g}")
            mean, error = results[gain].mean["n"], 2 * results[gain].stderr["n"]
            right.fill_between(times, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
        right.set(xlabel=r"$\omega t$", ylabel=r"occupation $\langle a^\dagger a\rangle$", ylim=(0, None))
        right.legend()
        figure.savefig(path, dpi=150)


if __name__ == "__main__":
    times = np.linspace(0.0, 20.0, 41)
    results = {float(gain): simulated(gain, times, 2000) for gain in GAINS}
    print("gain   simulated          linear theory")
    for gain, result in results.items():
        print(
            f"{gain:4.2f}   {result.mean['n'][-1]:.3f} ± {result.stderr['n'][-1]:.3f}   {linear(gain, times)[-1]:.3f}"
        )
    if len(sys.argv) > 1:
        picture(sys.argv[1], results, times)
