"""Fisher information of a driven qubit's homodyne record by a plain NumPy program."""

import numpy as np

SIGMA_X, SIGMA_Z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
GROUND = np.array([0.0, 1.0])


def homodyne_information(phase, theta, names, *, detuning, duration, records, step, seed):
    """E ∫(∂m)(∂m)ᵀdt and its standard error, (P, P) each, with m = ⟨c + c†⟩ of the state conditioned on the record.

    The record is drawn with the innovations themselves; pure states at θ and at θ ± ε follow it by a strong Taylor step
    of order 3/2 without its terms of the third order in the noise. Nothing is lost: η = 1.
    """
    shift = 1e-4
    settings = [theta] + [theta | {name: theta[name] + sign * shift} for name in names for sign in (1, -1)]
    operators = []
    for one in settings:
        jump = np.exp(-1j * phase) * np.sqrt(one["decay"]) * LOWERING
        drift = -0.5j * (one["rabi"] * SIGMA_X + detuning * SIGMA_Z) - 0.5 * jump.conj().T @ jump
        smooth = np.eye(2) + drift * step + 0.5 * drift @ drift * step**2
        operators.append((smooth, jump, jump @ drift + drift @ jump))
    rng = np.random.default_rng(seed)
    states = [np.repeat(GROUND[:, None].astype(complex), records, axis=1) for _ in settings]
    found = np.zeros((len(names), len(names), records))
    for _ in range(round(duration / step)):
        means = [
            2 * np.sum(psi.conj() * (jump @ psi), axis=0).real
            for psi, (_, jump, _) in zip(states, operators, strict=True)
        ]
        y = means[0] * step + np.sqrt(step) * rng.normal(size=records)
        for place, (smooth, jump, mixed) in enumerate(operators):
            psi = states[place]
            after = smooth @ psi + (jump @ psi) * y + 0.5 * step * (mixed @ psi) * y
            after += 0.5 * (jump @ jump @ psi) * (y**2 - step)
            states[place] = after / np.linalg.norm(after, axis=0)
        slopes = np.stack([means[2 * k + 1] - means[2 * k + 2] for k in range(len(names))]) / (2 * shift)
        found += slopes[:, None] * slopes[None] * step
    return found.mean(axis=-1), found.std(axis=-1) / np.sqrt(records)
