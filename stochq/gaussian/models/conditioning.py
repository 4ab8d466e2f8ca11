"""How much of one mode's variance the other modes tell: what entropy production by correlations is made of."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Inexact


class ConditionalVariances(NamedTuple):
    """Parts (..., modes) of the diagonal of C + ½: explained by the other modes, and remaining once they are known."""

    explained: Float[np.ndarray, "*times modes"]
    remaining: Float[np.ndarray, "*times modes"]


def conditional_variances(correlations: Inexact[np.ndarray, "*times modes modes"]) -> ConditionalVariances:
    r"""$s_k=1/[\Theta^{-1}]_{kk}$ and $v_k=\Theta_{kk}-s_k$ with $\Theta=C+\frac12$, to relative accuracy.

    With $\Theta=D^{1/2}(1+R)D^{1/2}$, D diagonal, R without diagonal, $(1+R)^{-1}=1-R+R(1+R)^{-1}R$, so that
    $\Theta_{kk}[\Theta^{-1}]_{kk}-1=r_k^\dagger(1+R)^{-1}r_k$ for the columns $r_k$ of R: a sum of squares.

    Raises:
        ValueError: for correlations whose Θ is not positive.

    >>> import numpy as np
    >>> conditional_variances(np.array([[0.5, 0.5], [0.5, 0.5]]))
    ConditionalVariances(explained=array([0.25, 0.25]), remaining=array([0.75, 0.75]))
    """
    from scipy.linalg import solve_triangular

    modes = correlations.shape[-1]
    variance = np.diagonal(correlations, axis1=-2, axis2=-1).real + 0.5
    root = np.sqrt(variance)
    relative = correlations / (root[..., :, None] * root[..., None, :])
    relative[..., np.arange(modes), np.arange(modes)] = 0
    try:
        factors = np.linalg.cholesky(relative + np.eye(modes))
    except np.linalg.LinAlgError:
        raise ValueError(
            "correlations: expected C + ½ with positive eigenvalues only, as every state has. Use steady_state, evolve "
            "or a positive matrix C."
        ) from None
    squares = np.empty_like(variance)
    for index in np.ndindex(variance.shape[:-1]):
        solved = solve_triangular(factors[index], relative[index], lower=True, check_finite=False)
        squares[index] = np.sum(np.abs(solved) ** 2, axis=0)
    return ConditionalVariances(variance * squares / (1 + squares), variance / (1 + squares))
