"""Quantum Brownian motion by jump operators linear in q and p, and any Hamiltonian with any jump operators."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, ArrayLike, Number, OperatorLike, as_real, copied, is_concrete, square_root, stacked
from stochq.channels import BandedOperators, Channel, Features
from stochq.channels.families.structure import structured
from stochq.equation import Equation
from stochq.laws import Law, NoiseLaw
from stochq.models.checks import positive, rate
from stochq.noise import Coloured
from stochq.noise.roots import root
from stochq.operators import Bands, as_operator, bands_of, check_parts, holds_function, operator_list
from stochq.systems.banded import Banded
from stochq.systems.checks import check_finite, check_number, shape_of
from stochq.systems.embedded import Embedded
from stochq.systems.fock import FockLevels, Oscillator
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian
from stochq.systems.observables import LinearObservable

# A diffusion that is the least one but for rounding is the least one.
_ROUNDING = 1e-12


def brownian(
    oscillator: Oscillator,
    *,
    friction: Number,
    beta: Number,
    cross_diffusion: Number = 0.0,
    position_diffusion: Number | Literal["minimal"] = "minimal",
    squeezing: Number = 0.0,
    position_friction: Number = 0.0,
    noise: NoiseLaw = "real",
) -> Equation:
    r"""Quantum Brownian motion in a Fock basis by operators linear in q and p (`brownian-balance` eqs. 7-10).

    $$L_1 = \frac{\sqrt{2D_{pp}}}\hbar\,q + \frac{i\hbar(\eta+\xi)/4 - D_{qp}}{D_{pp}}\,\frac{\sqrt{2D_{pp}}}\hbar\,p,
      \quad D_{pp} = \frac{m\eta}\beta,\quad
      H \to H + \Big(\frac{\eta-\xi}4+\frac\alpha2\Big)\{q,p\}$$

    Moments obey dV/dt = AV + VAᵀ + B with A = ((α − ξ, 1/m), (−mω², −η − α)) and B = 2((D_qq, D_qp), (D_qp, D_pp)),
    as those of `sq.gaussian.brownian`, whose arguments have the same names. The generator is completely positive where

    $$D_{qq}D_{pp} \ge D_{qp}^2 + \hbar^2(\eta+\xi)^2/16 .$$

    Args:
        oscillator: sq.systems.oscillator(...), with its mass m, frequency ω and ħ.
        friction: η, an inverse time.
        beta: inverse temperature β, an inverse energy.
        cross_diffusion: D_qp, an action per time.
        position_diffusion: D_qq, a squared length per time. "minimal" is the least that is completely positive and
            needs the one operator L_1; a larger one adds L_2 ∝ p.
        squeezing: α of the Hamiltonian (α/2){q, p}, an inverse time.
        position_friction: ξ, an inverse time.
        noise: the law of the noise.

    Raises:
        ValueError: for a system that is no oscillator, non-positive friction or beta, a negative position friction,
            or diffusion that is not completely positive.

    >>> import stochq as sq
    >>> sq.models.brownian(sq.systems.oscillator(20), friction=0.3, beta=2.0).channels[0].count
    1
    """
    if not isinstance(oscillator, Oscillator):
        raise ValueError(f"oscillator: expected sq.systems.oscillator(...); got {type(oscillator).__name__}.")
    eta, xi = positive("friction", friction), rate("position_friction", position_friction)
    cross, alpha = _number("cross_diffusion", cross_diffusion), _number("squeezing", squeezing)
    hbar = copied(oscillator.hbar)
    momentum_diffusion = copied(oscillator.mass) * eta / positive("beta", beta)
    # The products Σ a*b and Σ |b|² of operators a q + b p are fixed by the damping and by the diffusion.
    damping = hbar * (eta + xi) / 4
    excess = _excess(position_diffusion, (cross**2 + damping**2) / momentum_diffusion)
    in_q = square_root(2 * momentum_diffusion) / hbar
    crossed = not is_concrete(cross) or bool(cross)
    in_p = -cross / momentum_diffusion * in_q if crossed else None
    operators = [_linear(oscillator, in_q, in_p, damping / momentum_diffusion * in_q)]
    if excess is not None:
        operators.append(_linear(oscillator, 0.0, None, square_root(2 * excess) / hbar))
    channel = BandedOperators((1, -1), stacked(operators))
    return Equation(_with_squeezing(oscillator, (eta - xi) / 4 + alpha / 2, hbar), (channel,), noise, hbar)


def _number(name: str, value: Number) -> Number:
    check_number(name, value)
    return as_real(value)


def _excess(position_diffusion: Number | str, least: Number) -> Number | None:
    """What D_qq has beyond the least; None where it is the least."""
    if isinstance(position_diffusion, str):
        if position_diffusion != "minimal":
            raise ValueError(f'position_diffusion: expected a number or "minimal"; got {position_diffusion!r}.')
        return None
    excess = _number("position_diffusion", position_diffusion) - least
    if is_concrete(excess) and excess < -_ROUNDING * least:
        raise ValueError(
            f"position_diffusion: expected at least {float(least):.6g}, or the equation is not completely positive and "
            "trajectories do not exist: D_qq D_pp >= D_qp^2 + hbar^2 (friction + position_friction)^2 / 16. Got "
            f'{float(position_diffusion):.6g}. Take "minimal", or sq.gaussian.brownian, which needs no trajectories.'
        )
    return np.maximum(excess, 0.0) if is_concrete(excess) else excess


def _linear(oscillator: Oscillator, in_q: Number, in_p: Number | None, in_p_imaginary: Number) -> Array:
    """The bands (2, dim) of in_q q + (in_p + i in_p_imaginary) p at offsets 1 and -1; real with in_p = None."""
    hbar, unit = copied(oscillator.hbar), copied(oscillator.mass) * copied(oscillator.frequency)
    # q = q_scale (a + a†) and p = -i p_scale (a − a†).
    q_part = in_q * square_root(hbar / (2 * unit))
    p_scale = square_root(hbar * unit / 2)
    lowering = q_part + in_p_imaginary * p_scale
    raising = q_part - in_p_imaginary * p_scale
    if in_p is not None:
        lowering = lowering - 1j * in_p * p_scale
        raising = raising + 1j * in_p * p_scale
    return stacked([lowering * oscillator.annihilation_band, raising * np.sqrt(np.arange(float(oscillator.dim)))])


def _with_squeezing(oscillator: Oscillator, factor: Number, hbar: Number) -> Banded:
    """H + factor·{q, p}, where {q, p} = iħ(a†² − a²)."""
    n = np.arange(oscillator.dim, dtype=np.float64)
    raising_twice = np.sqrt(n * np.maximum(n - 1, 0))
    lowering_twice = np.sqrt((n + 1) * (n + 2)) * (n < oscillator.dim - 2)
    bands = stacked(
        [oscillator.diagonal + 0j, 1j * factor * hbar * raising_twice, -1j * factor * hbar * lowering_twice]
    )
    return Banded((0, -2, 2), bands, FockLevels(oscillator.dim))


def unravel(
    hamiltonian: Hamiltonian | OperatorLike,
    jump_operators: Channel | OperatorLike | Sequence[Channel | OperatorLike],
    *,
    rates: ArrayLike | None = None,
    noise: NoiseLaw | Law | None = None,
    hbar: Number = 1.0,
    colour: Coloured | None = None,
) -> Equation:
    r"""Any Hamiltonian with any jump operators, $L_k$ given with $\sqrt{\gamma_k}$ inside, as QuTiP takes them.

    jump_operators: sequence of matrices (dim, dim), diagonals (dim,), operators of one part of a composite system
    (`Composite.embed`), or channels from `stochq.channels`; a `Qobj` or a sparse matrix may stand alone. Structure is
    found and used: real diagonals, few bands, dense. rates: γ_k of the operators, then given without; a gradient may
    trace them, and the operators keep their structure. noise: the law of all of them; None leaves each channel its own
    and is "real" for matrices. colour: the spectrum of unitary noise on real diagonals.

    Raises:
        ValueError: for shapes that do not match, entries that are not finite, and negative rates.

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
        jump_operator(f"jump_operators[{index}]", item, hamiltonian.dim, hamiltonian.dims)
        for index, item in enumerate(given)
        if not isinstance(item, Channel)
    ]
    groups = {ndim: [k for k, matrix in enumerate(matrices) if len(matrix.shape) == ndim] for ndim in (1, 2)}
    order = _order(given, groups, len(channels))
    roots = None if rates is None else _roots(rates, len(matrices), bool(channels))
    diagonal, dense = groups.values()
    if diagonal:
        stack = stacked([cast(Array, matrices[k]) for k in diagonal])
        if rates is not None and not is_concrete(rates) and len(diagonal) == 1:
            # The rate apart from the operator, which then is known: likelihood ratios need that.
            channels.append(Features(stack, jnp.asarray(rates)[diagonal[0]]))
        else:
            channels.append(Features(stack if roots is None else roots[np.array(diagonal)][:, None] * stack))
    if dense:
        factors = None if roots is None else roots[np.array(dense)]
        channels.append(structured([matrices[k] for k in dense], factors=factors))
    return Equation(hamiltonian, tuple(channels), noise, hbar, colour, order=order)


def _order(given: Sequence[object], groups: dict[int, list[int]], channels: int) -> list[tuple[int, int | None]]:
    """(channel, operator) of what was given, in its order: channels first, then those of the groups that are there."""
    places: dict[int, tuple[int, int]] = {}
    for place, members in enumerate(filter(None, groups.values()), channels):
        places |= {matrix: (place, number) for number, matrix in enumerate(members)}
    whole, single = iter(range(channels)), iter(sorted(places))
    return [(next(whole), None) if isinstance(item, Channel) else places[next(single)] for item in given]


def _roots(rates: ArrayLike, operators: int, channels: bool) -> Array:
    """√γ_k of the operators, by numpy unless they are traced."""
    if channels:
        raise ValueError("rates: expected none beside channels, which have rates of their own.")
    rates = rates if is_concrete(rates) else jnp.asarray(rates)
    if shape_of("rates", rates) != (operators,):
        raise ValueError(f"rates: expected shape ({operators},), one for each operator; got {np.shape(rates)}.")
    if not is_concrete(rates):
        return root(jnp.asarray(rates))
    check_finite("rates", rates)
    if np.any(np.asarray(rates) < 0):
        raise ValueError(f"rates: expected none below zero; got {np.min(np.asarray(rates))}.")
    return np.sqrt(np.asarray(rates, float))


def jump_operator(name: str, item: Any, dim: int, dims: tuple[int, ...] = ()) -> Array | Bands:
    """A jump operator as its real diagonal (dim,) where it is that, as few diagonals or as a matrix otherwise.

    dims: of the parts of the Hamiltonian's system, where they are known.
    """
    if isinstance(item, Embedded):
        if item.dim != dim:
            raise ValueError(f"{name}: expected an operator on {dim} states; got one on {item.dim}.")
        return item.as_jump_operator()
    if isinstance(item, LinearObservable):
        raise ValueError(
            f"{name}: expected an array or a channel; got {type(item).__name__}, an observable. Write .matrix() behind "
            "it, or for an operator of one spin sq.channels.at_site(matrix, site, sites)."
        )
    if holds_function(item):
        raise ValueError(
            f"{name}: expected an operator; got a function. An operator that depends on time is "
            "sq.channels.TimeDependentOperator([(L, lambda t: jnp.cos(t))])."
        )
    check_parts(name, item, dims)
    if (bands := bands_of(name, item)) and bands.shape == (dim, dim):
        check_finite(name, bands.bands)
        is_real = bands.offsets == (0,) and not np.any(np.imag(bands.bands))
        return bands.bands[0].real.copy() if is_real else bands
    item = as_operator(name, item)
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
