"""Quantum Brownian motion by one jump operator, and any Hamiltonian with any jump operators."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from stochq.arrays import is_concrete, square_root, stacked
from stochq.channels import BandedOperators, Channel, DenseOperators, Features, NoiseLaw
from stochq.equation import Equation
from stochq.models.checks import positive
from stochq.noise import Coloured
from stochq.operators import operator_list
from stochq.systems.banded import Banded
from stochq.systems.checks import check_finite, shape_of
from stochq.systems.fock import Oscillator
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian

# Fewer diagonals than this fraction of the dimension make banded storage the faster one.
_BANDED_FRACTION = 1 / 8


def brownian(
    oscillator: Oscillator, *, friction: Any, beta: Any, squeezing: Any = 0.0, noise: NoiseLaw = "real"
) -> Equation:
    r"""The minimal completely positive generator of quantum Brownian motion in a Fock basis (`brownian-balance`).

    $$L = \big(\sqrt{2D_{pp}}\,q + i\sqrt{2D_{qq}}\,p\big)/\hbar,\quad D_{pp} = m\eta/\beta,\quad
      D_{qq} = \hbar^2\eta\beta/16m,\quad H \to H + \big(\tfrac\eta4+\tfrac\alpha2\big)\{q,p\}$$

    friction: η; beta: inverse temperature β; squeezing: α. Moments obey dV/dt = AV + VAᵀ + B with
    A = ((α, 1/m), (−mω², −η−α)) and B = 2 diag(D_qq, D_pp).

    Raises ValueError for a system that is no oscillator or non-positive friction or beta.

    >>> import stochq as sq
    >>> sq.models.brownian(sq.systems.oscillator(20), friction=0.3, beta=2.0).channels[0].count
    1
    """
    if not isinstance(oscillator, Oscillator):
        raise ValueError(f"oscillator: expected sq.systems.oscillator(...); got {type(oscillator).__name__}.")
    friction, beta = positive("friction", friction), positive("beta", beta)
    mass, hbar = float(oscillator.mass), float(oscillator.hbar)
    momentum_diffusion, position_diffusion = mass * friction / beta, hbar**2 * friction * beta / (16 * mass)
    lowering, raising = oscillator.annihilation_band, np.sqrt(np.arange(float(oscillator.dim)))
    q_scale = np.sqrt(hbar / (2 * mass * float(oscillator.frequency)))
    p_scale = np.sqrt(hbar * mass * float(oscillator.frequency) / 2)
    up = square_root(2 * momentum_diffusion) * q_scale / hbar
    down = square_root(2 * position_diffusion) * p_scale / hbar
    # q = q_scale (a + a†) and p = -i p_scale (a − a†), so L has real elements.
    operator = BandedOperators((1, -1), stacked([(up + down) * lowering, (up - down) * raising])[None])
    hamiltonian = _with_squeezing(oscillator, friction / 4 + squeezing / 2, hbar)
    return Equation(hamiltonian, (operator,), noise, hbar)


def _with_squeezing(oscillator: Oscillator, factor: Any, hbar: float) -> Banded:
    """H + factor·{q, p}, where {q, p} = iħ(a†² − a²)."""
    n = np.arange(oscillator.dim, dtype=np.float64)
    raising_twice = np.sqrt(n * np.maximum(n - 1, 0))
    lowering_twice = np.sqrt((n + 1) * (n + 2)) * (n < oscillator.dim - 2)
    bands = stacked(
        [np.asarray(oscillator.diagonal) + 0j, 1j * factor * hbar * raising_twice, -1j * factor * hbar * lowering_twice]
    )
    return Banded((0, -2, 2), bands)


def unravel(
    hamiltonian: Hamiltonian | ArrayLike,
    jump_operators: Channel | Sequence[Channel | ArrayLike],
    *,
    noise: NoiseLaw = "real",
    hbar: Any = 1.0,
    colour: Coloured | None = None,
) -> Equation:
    r"""Any Hamiltonian with any jump operators, $L_k$ given with $\sqrt{\gamma_k}$ inside, as QuTiP takes them.

    jump_operators: sequence of matrices (dim, dim), diagonals (dim,), or channels from `stochq.channels`. Structure
    is found and used: real diagonals, few bands, dense. colour: the spectrum of unitary noise on real diagonals.

    Raises ValueError for shapes that do not match or entries that are not finite.

    >>> import numpy as np
    >>> import stochq as sq
    >>> decay = sq.models.unravel(sq.systems.levels([0.0, 1.0]), [np.array([[0.0, 0.5], [0.0, 0.0]])])
    >>> type(decay.channels[0]).__name__
    'DenseOperators'
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    single = isinstance(jump_operators, Channel)
    given = [jump_operators] if single else operator_list("jump_operators", jump_operators)
    channels = [item for item in given if isinstance(item, Channel)]
    matrices = [
        _checked(index, item, hamiltonian.dim) for index, item in enumerate(given) if not isinstance(item, Channel)
    ]
    diagonal = [m for m in matrices if m.ndim == 1]
    dense = [m for m in matrices if m.ndim == 2]
    if diagonal:
        channels.append(Features(stacked(diagonal)))
    if dense:
        channels.append(structured(stacked(dense)))
    return Equation(hamiltonian, tuple(channels), noise, hbar, colour)


def _checked(index: int, item: Any, dim: int) -> Any:
    """A jump operator as its real diagonal (dim,) where it is that, as a matrix otherwise."""
    name = f"jump_operators[{index}]"
    shape_of(name, item)
    array = np.asarray(item) if is_concrete(item) else item
    if array.shape not in ((dim,), (dim, dim)):
        raise ValueError(f"{name}: expected shape ({dim}, {dim}) or ({dim},); got {array.shape}.")
    if not is_concrete(array):
        return jnp.diag(array) if array.ndim == 1 and jnp.iscomplexobj(array) else array
    check_finite(name, array)
    matrix = np.diag(array) if array.ndim == 1 else array
    is_real_diagonal = not np.any(matrix - np.diag(np.diag(matrix))) and not np.any(np.imag(matrix))
    return np.diag(matrix).real.copy() if is_real_diagonal else matrix


def structured(matrices: Any) -> Channel:
    """Matrices (K, dim, dim) as bands where these are few, dense otherwise, or where they are traced."""
    if not is_concrete(matrices):
        return DenseOperators(matrices)
    stack = np.asarray(matrices)
    dim = stack.shape[-1]
    occupied = np.argwhere(np.any(stack != 0, axis=0))
    offsets = sorted({int(column - row) for row, column in occupied}) or [0]
    if len(offsets) > _BANDED_FRACTION * dim:
        return DenseOperators(stack)
    bands = np.zeros((stack.shape[0], len(offsets), dim), stack.dtype)
    for place, offset in enumerate(offsets):
        rows = np.arange(max(0, -offset), min(dim, dim - offset))
        bands[:, place, rows] = stack[:, rows, rows + offset]
    return BandedOperators(tuple(offsets), bands)
