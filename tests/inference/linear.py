"""An oscillator under watch, and the joint Gaussian law of all that is written down of it, in plain NumPy."""

import numpy as np
from scipy.linalg import expm

TIMES, EFFICIENCY = np.array([0.0, 0.3, 0.6, 0.9, 1.4, 2.0, 2.3, 3.0]), 0.7
SHAPE = np.array([[1.0, 0.2], [0.2, 0.8]])
START = np.array([[0.5, 0.1], [0.1, 0.7]])


def law(values, noise="real", times=TIMES, efficiency=EFFICIENCY, start=START):
    """Mean (n,) and covariance (n, n) of all increments, as a linear function of the start and of the noise of bins."""
    omega, c = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.sqrt(values["strength"]) * np.array([1.0, 0.5j])
    product = np.outer(c, c.conj())
    drift = omega @ (values["frequency"] * SHAPE) - omega @ product.imag
    read = np.sqrt(efficiency) * (c[None] if noise == "real" else np.stack([c, 1j * c]) / np.sqrt(2))
    columns = len(read)
    size = 2 + columns
    whole, kicks = np.zeros((size, size)), np.eye(size)
    whole[:2, :2], whole[2:, :2] = drift, 2 * read.real
    kicks[:2, :2] = omega @ product.real @ omega.T
    kicks[:2, 2:] = -omega @ read.imag.T
    kicks[2:, :2] = kicks[:2, 2:].T
    bins = len(times) - 1
    reach, since = np.zeros((bins * columns, 2)), np.eye(2)
    covariance = np.zeros((bins * columns, bins * columns))
    moves = []
    for k, h in enumerate(np.diff(times)):
        both = expm(h * np.block([[-whole, kicks], [np.zeros((size, size)), whole.T]]))
        move = both[size:, size:].T
        moves.append((move, move @ both[:size, size:]))
        reach[k * columns : (k + 1) * columns] = move[2:, :2] @ since
        since = move[:2, :2] @ since
    for k, (_, spread) in enumerate(moves):
        heard, left = np.zeros((bins * columns, size)), np.eye(2, size)
        heard[k * columns : (k + 1) * columns, 2:] = np.eye(columns)
        for later in range(k + 1, bins):
            heard[later * columns : (later + 1) * columns] = moves[later][0][2:, :2] @ left
            left = moves[later][0][:2, :2] @ left
        covariance += heard @ spread @ heard.T
    mean = reach @ np.array([values["displacement"], 0.0])
    return mean, covariance + reach @ start @ reach.T
