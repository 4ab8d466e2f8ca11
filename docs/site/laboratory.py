"""Writes the data that pages read as if they came from a laboratory, in plain NumPy: nothing of stochq is in them.

    python docs/site/laboratory.py

tutorials/ramsey.csv: outcomes of a qubit's σ_x after a time of waiting, drawn from a binomial law.
tutorials/homodyne.csv: currents of a driven atom that radiates, from Euler steps of its stochastic master equation,
averaged over bins.
howto/homodyne-means.csv: the mean of many such currents, by the optical Bloch equations, with the noise that so many
records leave. The truths are below.
"""

from pathlib import Path

import numpy as np

DEPHASING, DETUNING = 0.35, 3.0
RABI, DECAY, EFFICIENCY = 2.5, 1.0, 0.6


def ramsey() -> str:
    """A table of times, shots, and how many of them were found in |+⟩."""
    rng = np.random.default_rng(7)
    times = np.linspace(0, 8, 33)
    chances = 0.5 * (1 + np.exp(-DEPHASING * times) * np.cos(DETUNING * times))
    found = rng.binomial(400, chances)
    rows = [f"{t:.2f},400,{count}" for t, count in zip(times, found, strict=True)]
    return "\n".join(["time_us,shots,plus", *rows]) + "\n"


def homodyne(records: int = 60, bins: int = 60, width: float = 0.1, steps: int = 100) -> str:
    """A table with a row for each bin, and a column for each record: the mean current over the bin."""
    rng = np.random.default_rng(11)
    lowering = np.array([[0, 0], [1, 0]], complex)
    jump, dt = -1j * np.sqrt(DECAY) * lowering, width / steps
    drive = 0.5 * RABI * np.array([[0, 1], [1, 0]])
    rho = np.zeros((records, 2, 2), complex)
    rho[:, 1, 1] = 1
    currents = np.zeros((bins, records))
    for step in range(bins * steps):
        noise = np.sqrt(dt) * rng.normal(size=records)
        seen = jump @ rho + rho @ jump.conj().T
        mean = np.trace(seen, axis1=1, axis2=2).real
        lost = jump.conj().T @ jump
        change = -1j * (drive @ rho - rho @ drive) + jump @ rho @ jump.conj().T - 0.5 * (lost @ rho + rho @ lost)
        innovation = np.sqrt(EFFICIENCY) * (seen - mean[:, None, None] * rho)
        currents[step // steps] += (np.sqrt(EFFICIENCY) * mean * dt + noise) / width
        rho = rho + change * dt + innovation * noise[:, None, None]
    header = ",".join(["time_us", *(f"run_{k}" for k in range(records))])
    rows = [f"{width * (k + 1):.2f}," + ",".join(f"{value:.3f}" for value in row) for k, row in enumerate(currents)]
    return "\n".join([header, *rows]) + "\n"


def homodyne_means(records: int = 4000, points: int = 41) -> str:
    """A table of times, mean currents and their standard errors; each mean is over a window of 0.1 around its time."""
    rng = np.random.default_rng(13)
    y, z, dt, every = 0.0, -1.0, 1e-3, 150
    rows = []
    for step in range(every * (points - 1) + 1):
        if step % every == 0:
            error = 1 / np.sqrt(0.1 * records)
            mean = np.sqrt(EFFICIENCY * DECAY) * -y + error * rng.normal()
            rows.append(f"{step * dt:.2f},{mean:.4f},{error:.4f}")
        # Bloch's equations, by the rule of the midpoint.
        dy, dz = -RABI * z - 0.5 * DECAY * y, RABI * y - DECAY * (z + 1)
        half_y, half_z = y + 0.5 * dt * dy, z + 0.5 * dt * dz
        y += dt * (-RABI * half_z - 0.5 * DECAY * half_y)
        z += dt * (RABI * half_y - DECAY * (half_z + 1))
    return "\n".join(["time_us,mean,stderr", *rows]) + "\n"


def files() -> dict[str, str]:
    """Every file below docs/, and what is in it."""
    return {
        "tutorials/ramsey.csv": ramsey(),
        "tutorials/homodyne.csv": homodyne(),
        "howto/homodyne-means.csv": homodyne_means(),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parents[1] / name).write_text(text, encoding="utf-8")
