"""Discrete increments of general operators in plain numpy: all outcomes of a step, their chances and their words."""

import numpy as np
from scipy.linalg import expm, inv, sqrtm

# Gauss and Hermite's four values of a real normal, in closed form.
REAL = np.sqrt(3 + np.sqrt(6)) * np.array([-1, 0, 0, 1]) + np.sqrt(3 - np.sqrt(6)) * np.array([0, -1, 1, 0])
CHANCES = (3 + np.sqrt(6) * np.array([-1, 1, 1, -1])) / 12
# Rings of four values of a circular normal: |z|², their common chance, where they begin in quarters of a circle.
RINGS = (
    ((9 + 3 * 5**0.5) / 4, (5 - 2 * 5**0.5) / 45, 0.5),
    (3, 1 / 36, 0),
    ((9 - 3 * 5**0.5) / 4, (5 + 2 * 5**0.5) / 45, 0.5),
)


def _circular():
    """The rings from the outermost inwards by two of their values each, and outwards again by the opposite ones."""
    inwards = [(-np.sqrt(size) * 1j ** (start + k), chance) for size, chance, start in RINGS for k in (0, 1)]
    both = [*inwards, *((-z, chance) for z, chance in reversed(inwards))]
    return tuple(np.array(part) for part in zip(*both, strict=True))


# Law: values of the record, their chances under its own law, E z², the factor of the operator.
RECORDS = {"real": (REAL, CHANCES, 1, 1), "unitary": (REAL, CHANCES, 1, -1j), "complex": (*_circular(), 0, 1)}


def joined(record):
    """The record (z₁ + z₂)/√2 of two independent ones."""
    values, chances, *rest = record
    return (np.add.outer(values, values).ravel() / np.sqrt(2), np.outer(chances, chances).ravel(), *rest)


def maps(jump, h, record, repaired=True):
    """(chance under the record's own law, K_z) for every value of z; repaired: E K_z†K_z = 1."""
    values, chances, square, factor = RECORDS[record] if isinstance(record, str) else record
    loss, one = expm(-h / 4 * jump.conj().T @ jump), np.eye(len(jump))
    jump = factor * jump
    kicks = [one + np.sqrt(h) * z * jump + h / 2 * (z**2 - square) * jump @ jump for z in values]
    operators = [loss @ kick @ loss for kick in kicks]
    if not repaired:
        return list(zip(chances, operators, strict=True))
    trace = sum(chance * each.conj().T @ each for chance, each in zip(chances, operators, strict=True))
    repair = inv(sqrtm(trace))
    return [(chance, each @ repair) for chance, each in zip(chances, operators, strict=True)]


def branch(states, chances, jump, h, record, edge=0.5):
    """Every state (dim, n) with all its outcomes: states, chances, uniform numbers that lead there, parents.

    record: the law of the noise, or a record. edge: where in its share of the unit interval each uniform number lies.
    """
    weights, operators = zip(*maps(jump, h, record), strict=True)
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
