"""Discrete increments of general operators in plain numpy: all outcomes of a step, their chances and their words."""

import numpy as np
from scipy.linalg import expm, inv, sqrtm

HEXAGON = np.exp(2j * np.pi * np.arange(6) / 6)
# Law: values of the record, their chances under its own law, E z², the factor of the operator.
RECORDS = {
    "real": (np.array([-np.sqrt(3), 0, np.sqrt(3)]), np.array([1, 4, 1]) / 6, 1, 1),
    "unitary": (np.array([-np.sqrt(3), 0, np.sqrt(3)]), np.array([1, 4, 1]) / 6, 1, -1j),
    "complex": (
        np.sqrt(2) * np.array([*HEXAGON[[3, 2, 4]], 0, *HEXAGON[[1, 5, 0]]]),
        np.array([1, 1, 1, 6, 1, 1, 1]) / 12,
        0,
        1,
    ),
}


def maps(jump, h, law, repaired=True):
    """(chance under the record's own law, K_z) for every value of z; repaired: E K_z†K_z = 1."""
    values, chances, square, factor = RECORDS[law]
    loss, one = expm(-h / 4 * jump.conj().T @ jump), np.eye(len(jump))
    jump = factor * jump
    kicks = [one + np.sqrt(h) * z * jump + h / 2 * (z**2 - square) * jump @ jump for z in values]
    operators = [loss @ kick @ loss for kick in kicks]
    if not repaired:
        return list(zip(chances, operators, strict=True))
    trace = sum(chance * each.conj().T @ each for chance, each in zip(chances, operators, strict=True))
    repair = inv(sqrtm(trace))
    return [(chance, each @ repair) for chance, each in zip(chances, operators, strict=True)]


def branch(states, chances, jump, h, law, edge=0.5):
    """Every state (dim, n) with all its outcomes: states, chances, uniform numbers that lead there, parents.

    edge: where in its share of the unit interval each uniform number lies.
    """
    weights, operators = zip(*maps(jump, h, law), strict=True)
    moved = np.stack([operator @ states for operator in operators])
    sizes = np.sum(np.abs(moved) ** 2, axis=1)
    shares = np.array(weights)[:, None] * sizes
    shares = shares / shares.sum(axis=0)
    marks = np.cumsum(shares, axis=0) - (1 - edge) * shares
    moved = np.moveaxis(moved / np.sqrt(sizes)[:, None], 0, 1).reshape(len(states), -1)
    parents = np.tile(np.arange(states.shape[1]), len(operators))
    return moved, (shares * chances).reshape(-1), marks.reshape(-1), parents


def strang_flows(jumps, h, law):
    """The palindrome of one channel's flows, (operator, step)."""
    if len(jumps) == 1:
        return [(jumps[0], h)]
    return [(jump, h / 2) for jump in (*jumps, *reversed(jumps))]


def strang_step(matrix, jumps, h, law, states, chances):
    """One step e^{−iHh} and all outcomes of all flows: states, chances, uniform numbers (flows, n), parents."""
    states, parents, marks = expm(-1j * h * matrix) @ states, np.arange(states.shape[1]), []
    for jump, part in strang_flows(jumps, h, law):
        states, chances, mark, own = branch(states, chances, jump, part, law)
        parents, marks = parents[own], [*(one[own] for one in marks), mark]
    return states, chances, np.stack(marks), parents


def words(marks):
    """The 32-bit words that are read as these uniform numbers, to 2⁻³²."""
    return np.round(np.asarray(marks) * 2.0**32).clip(0, 2.0**32 - 1).astype(np.uint32)
