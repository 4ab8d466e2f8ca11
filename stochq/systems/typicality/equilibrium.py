"""An equilibrium that is a function of the Hamiltonian, known by what it does to states."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Num

from stochq.arrays import Array, ArrayLike, Number
from stochq.module import Module
from stochq.systems.checks import check_diagonal, check_hermitian, shape_of
from stochq.systems.equilibrium import Window
from stochq.systems.hamiltonian import Hamiltonian, Planes
from stochq.systems.linear import apply_matrix, scale, times_real
from stochq.systems.propagation.windows import planes_of
from stochq.systems.typicality.functions import Polynomial, combined
from stochq.systems.typicality.parts import on_part, probes, reduced_sum
from stochq.systems.typicality.sectors import Projector
from stochq.systems.typicality.traces import Estimate, inner, random_vectors

# A stochastic trace with a larger relative error has no honest error bar.
LARGEST_TRACE_ERROR = 0.25
# Vectors beyond which the trace's error is left as it is.
MOST_VECTORS = 512
# Up to so many states a trace over all of them may be cheaper than one over random vectors.
EXACT_DIM = 1024
# Standard errors are taken from so many of the vectors, which tell them to a few per cent.
ERROR_VECTORS = 32
# Amplitudes of the vectors that are kept, and of those that are worked on at a time.
MOST_AMPLITUDES, BLOCK_AMPLITUDES = 2**26, 2**18
# What powers of g leave out, over their largest values; they are in corrections to steps alone. The odd ones act on
# noise, whose norm is the root of the dimension.
POWER_RTOL = {"single": {2: 1e-6, 3: 1e-7, 4: 1e-6}, "double": {2: 1e-12, 3: 1e-13, 4: 1e-12}}


@final
class EquilibriumMap(Module):
    r"""What an equilibrium does to states: χ = P g(H)² P / Z, a projector P onto sectors and a polynomial g.

    Args:
        hamiltonian: H.
        polynomial: g. Its square is the weight, whatever the polynomial was made to resemble: χ is positive and
            `root` its square root to rounding.
        projectors: their product is P; they commute with H and with each other.
        root_of_norm: √Z.
        largest_weight: an upper bound on the eigenvalues of χ.
        powers: g², g³ and g⁴, of lower degrees than so many times that of g.
    """

    hamiltonian: Hamiltonian
    polynomial: Polynomial
    projectors: tuple[Projector, ...]
    root_of_norm: Number
    largest_weight: Number
    powers: tuple[Polynomial, ...]

    def root(self, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        """χ^(1/2)ψ of states (dim, *columns)."""
        return lax.complex(*self.root_of_planes(planes_of(psi)))

    def root_of_planes(self, planes: Planes) -> Planes:
        """The same of states held as two real arrays."""
        series = [(self.polynomial.coefficients, 1 / self.root_of_norm)]
        parts = [(series, self._projected(planes))]
        return combined(self.hamiltonian, self.polynomial, parts, self.polynomial.degree)

    def _projected(self, planes: Planes) -> Planes:
        """Pψ."""
        for projector in self.projectors:
            planes = planes_of(projector(lax.complex(*planes)))
        return planes

    def apply(self, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        """χψ, at the cost of two roots."""
        return self.root(self.root(psi))

    def roots_and_powers(self, parts: Sequence[tuple[dict[int, Number], Planes]]) -> Planes:
        """Σ_j Σ_n c_jn χ^(n/2) ψ_j in the time of the highest of these powers of one state.

        parts: c_jn by n from 1 to 4, real numbers or (1, *columns), and states ψ_j as two real arrays.
        """
        real = parts[0][1][0].dtype
        root_of_norm = jnp.asarray(self.root_of_norm, real)
        known = (self.polynomial, *self.powers)
        used = [known[n - 1] for factors, _ in parts for n in factors]
        length = max(polynomial.coefficients.shape[0] for polynomial in used)
        terms = []
        for factors, planes in parts:
            series = [(_padded(known[n - 1], length, real), c / root_of_norm**n) for n, c in factors.items()]
            terms.append((series, self._projected(planes)))
        return combined(self.hamiltonian, self.polynomial, terms, reduce(jnp.maximum, [p.degree for p in used]))

    def exp_action(self, psi: Num[Array, "dim *columns"], a: Number) -> Num[jax.Array, "dim *columns"]:
        """exp(a χ)ψ by Taylor's series: no term where a χ is below rounding, one where it is small."""
        psi = jnp.asarray(psi)
        real = jnp.finfo(psi.dtype)
        a = jnp.asarray(a, real.dtype)
        bound = jnp.abs(a) * jnp.asarray(self.largest_weight, real.dtype)

        def unfinished(state: tuple) -> jax.Array:
            return state[1] > real.eps / 2

        def add(state: tuple) -> tuple:
            order, size, term, total = state
            term = times_real(a / order, self.apply(term))
            return order + 1, size * bound / (order + 1), term, total + term

        one = jnp.ones((), real.dtype)
        return lax.while_loop(unfinished, add, (one, bound, psi, psi))[-1]


def _padded(polynomial: Polynomial, length: int, real: Any) -> jax.Array:
    """So many coefficients, zeros behind the last."""
    coefficients = jnp.asarray(polynomial.coefficients, real)
    return jnp.pad(coefficients, (0, length - coefficients.shape[0]))


@final
class Equilibrium(Module):
    r"""An equilibrium χ = P g(H)² P / Tr(P g(H)²) of a system that is never diagonalised.

    Traces are over random vectors |r⟩ with independent complex normals, E|r_i|² = 1 (typicality): with R of them

    $$\mathrm{Tr}\,\chi O \approx \frac{\sum_r\langle r|\chi^{1/2}O\chi^{1/2}|r\rangle}
      {\sum_r\langle r|\chi|r\rangle}, \qquad
      \text{variance} \approx \frac1R\,\mathrm{Tr}\left[\chi^{1/2}(O-\langle O\rangle)\chi^{1/2}\right]^2 ,$$

    the latter by one more root per vector.

    Args:
        map: what χ does to states.
        states: χ^(1/2)|r⟩ of all vectors, columns (dim, vectors), of the total norm 1.
        vectors: R, or 0 where the trace went over a whole basis and is exact.
        purity: Tr χ².
        log_partition: ln Tr P e^(-βH), or of a window ln Tr P g(H)².
        dimension: the effective number of states 1/Tr χ².
        window: energy and variance of what the polynomial really is, or None for a canonical one.
        label: what it is.
    """

    map: EquilibriumMap
    states: Array
    vectors: int = eqx.field(static=True)
    purity: float
    log_partition: Estimate
    dimension: Estimate
    window: Window | None = eqx.field(static=True)
    label: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """Number of basis states."""
        return self.map.hamiltonian.dim

    @property
    def largest_weight(self) -> Number:
        """An upper bound on the eigenvalues of χ."""
        return self.map.largest_weight

    @property
    def trace_error(self) -> float:
        """Relative standard error of Z, and so of every weight."""
        return self.log_partition.stderr

    def root(self, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        """χ^(1/2)ψ of states (dim, *columns)."""
        return _root(self.map, psi)

    def apply(self, psi: Num[Array, "dim *columns"]) -> Num[jax.Array, "dim *columns"]:
        """χψ, at the cost of two roots."""
        return _root(self.map, _root(self.map, psi))

    def exp_action(self, psi: Num[Array, "dim *columns"], a: Number) -> Num[jax.Array, "dim *columns"]:
        """exp(a χ)ψ, a copy of ψ where a χ is below rounding."""
        return self.map.exp_action(psi, a)

    def mean(self, operator: str | ArrayLike | Any) -> Estimate:
        """Tr χO of a Hermitian operator, with its standard error.

        operator: a name among the Hamiltonian's operators, a diagonal (dim,), a matrix (dim, dim), or an operator with
        a method `apply`, such as a sum of Pauli strings.
        """
        product = operator_product(self.map.hamiltonian, operator)
        return estimated(self.map, self.states, self.vectors, product)

    def reduced(self, part: Sequence[int] | int) -> Estimate:
        r"""The reduced density matrix χ_A of some sites, (2^k, 2^k), as `sq.systems.reduced` of one state.

        The standard error is that of the whole matrix, $\sqrt{E\,\mathrm{Tr}(\hat\chi_A - \chi_A)^2}$: the mean over
        all Hermitian operators on the sites, or over some random ones, of the variance of an estimate of theirs.
        """
        states = np.asarray(self.states)
        value = reduced_sum(states, part)
        if not self.vectors:
            return Estimate(value, 0.0)
        errors = [
            estimated(self.map, states, self.vectors, partial(on_part, operator=operator, part=part)).stderr
            for operator in probes(len(value))
        ]
        return Estimate(value, len(value) * float(np.mean(np.square(errors))) ** 0.5)

    def __repr__(self) -> str:
        return (
            f"{self.label}: {self.map.polynomial}, {self.vectors or 'exact'} vectors, effective dimension "
            f"{self.dimension}, log_partition {self.log_partition}"
        )


@jax.jit
def _root(chi: EquilibriumMap, psi: jax.Array) -> jax.Array:
    return chi.root(psi)


def estimated(chi: EquilibriumMap, states: Array, vectors: int, product: Callable[[Array], Array]) -> Estimate:
    """Tr χO from the kept states (dim, R); product: O of columns."""
    states = np.asarray(states)
    applied = np.asarray(product(states))
    value = float(inner(states, applied).sum())
    if not vectors:
        return Estimate(value, 0.0)
    deviation = weighted(chi, (applied - np.asarray(value, applied.real.dtype) * states)[:, :ERROR_VECTORS])
    return Estimate(value, (squared_norm(deviation) / deviation.shape[1]) ** 0.5)


def weighted(chi: EquilibriumMap, columns: Array) -> np.ndarray:
    """χ^(1/2) of columns (dim, R), a few at a time."""
    return in_blocks(lambda block: _root(chi, block), columns)


def squared_norm(columns: np.ndarray) -> float:
    """The sum of all |amplitudes|², in double precision."""
    return float(inner(columns, columns).sum())


def operator_product(hamiltonian: Hamiltonian, operator: Any) -> Callable[[Array], Array]:
    """The function that applies an operator to columns (dim, R)."""
    if isinstance(operator, str):
        if operator not in hamiltonian.operators:
            raise ValueError(f"operator: expected one of {', '.join(hamiltonian.operators)}; got {operator!r}.")
        operator = hamiltonian.operators[operator]
    apply = getattr(operator, "apply", None)
    if apply is not None:
        return apply
    if callable(operator):
        raise ValueError(
            "operator: expected a linear one, whose mean is Tr χO; got a function of a state. Give a diagonal, a "
            "matrix or a sum of Pauli strings."
        )
    dim = hamiltonian.dim
    if shape_of("operator", operator) == (dim,):
        check_diagonal("operator", operator)
        return lambda states: scale(np.real(operator), states)
    if shape_of("operator", operator) != (dim, dim):
        raise ValueError(f"operator: expected shape ({dim},) or ({dim}, {dim}); got {np.shape(operator)}.")
    check_hermitian("operator", operator)
    return lambda states: apply_matrix(np.asarray(operator), states)


def in_blocks(function: Callable[[Array], Array], columns: Array) -> np.ndarray:
    """A function of columns (dim, R), called with a few of them at a time."""
    width = max(1, BLOCK_AMPLITUDES // columns.shape[0])
    starts = range(0, columns.shape[1], width)
    return np.concatenate([np.asarray(function(columns[:, start : start + width])) for start in starts], axis=1)


def equilibrium(
    hamiltonian: Hamiltonian,
    polynomial: Polynomial,
    projectors: Sequence[Projector],
    *,
    label: str,
    log_scale: float,
    trace_rtol: float,
    seed: int,
    precision: str,
) -> Equilibrium:
    """The equilibrium of a polynomial g, with as many random vectors as its norm to `trace_rtol` takes.

    log_scale: added to ln Tr g² for the partition function's logarithm.

    Raises:
        ValueError: where the trace is too uncertain to mean anything.
    """
    with jax.enable_x64(precision == "double"):
        bare = bare_map(hamiltonian, polynomial, projectors)
        states, norm, vectors = _sampled(bare, label, trace_rtol, seed, _dtype(precision))
        weight = polynomial.largest**2 / norm
        chi = dataclasses.replace(
            bare,
            root_of_norm=np.asarray(norm**0.5),
            largest_weight=np.asarray(weight),
            powers=tuple(polynomial.to_power(n, rtol) for n, rtol in POWER_RTOL[precision].items()),
        )
        purity, dimension = _effective_dimension(chi, states, vectors)
        log_norm = Estimate(float(np.log(norm)) + log_scale, (purity / vectors) ** 0.5 if vectors else 0.0)
    return Equilibrium(chi, states, vectors, purity, log_norm, dimension, None, label)


def bare_map(hamiltonian: Hamiltonian, polynomial: Polynomial, projectors: Sequence[Projector]) -> EquilibriumMap:
    """P g(H)² P, not divided by its trace, of which roots are taken alone."""
    return EquilibriumMap(hamiltonian, polynomial, tuple(projectors), np.asarray(1.0), np.asarray(1.0), ())


def _sampled(
    bare: EquilibriumMap, label: str, trace_rtol: float, seed: int, dtype: np.dtype
) -> tuple[np.ndarray, float, int]:
    """The kept states with the total norm 1, Tr g², and the number of vectors, 0 for a whole basis."""
    dim = bare.hamiltonian.dim
    few = 8 if dim < 2**16 else 1
    pilot = _drawn(bare, seed, 0, few, dtype)
    norm = squared_norm(pilot)
    purity = squared_norm(weighted(bare, pilot)) * few / norm**2 if norm > 0 else np.inf
    wanted = purity / trace_rtol**2
    if wanted > dim / 2 and dim <= EXACT_DIM:
        states = weighted(bare, np.eye(dim, dtype=dtype))
        norm = squared_norm(states)
        _check_norm(norm, 0.0, label)
        return states / dtype.type(norm**0.5), norm, 0
    vectors = _count(wanted, few, dim)
    _check_norm(norm / few, (purity / vectors) ** 0.5, label)
    states = np.concatenate([pilot, _drawn(bare, seed, few, vectors - few, dtype)], axis=1)
    norm = squared_norm(states)
    return states / dtype.type(norm**0.5), norm / vectors, vectors


def _count(wanted: float, fewest: int, dim: int) -> int:
    """A power of two, of which few programs are compiled, as large as wanted but not more than memory allows."""
    most = min(MOST_VECTORS, MOST_AMPLITUDES // dim)
    return max(fewest, 2 ** int(np.ceil(np.log2(max(min(wanted, most), 1)))))


def _check_norm(norm: float, error: float, label: str) -> None:
    if not np.isfinite(norm) or norm <= 0 or error > LARGEST_TRACE_ERROR:
        raise ValueError(
            f"{label}: expected an equilibrium of many states; the trace of its weights is {norm:.3g} with a relative "
            f"error of {error:.2g} by random vectors. Take a smaller |beta|, or a state with a wider window."
        )


def _drawn(bare: EquilibriumMap, seed: int, first: int, count: int, dtype: np.dtype) -> np.ndarray:
    """g(H)P|r⟩ of `count` vectors, (dim, count)."""
    dim = bare.hamiltonian.dim
    if count == 0:
        return np.zeros((dim, 0), dtype)
    return weighted(bare, np.asarray(random_vectors(seed, dim, first, count, dtype)))


def typical_size(
    hamiltonian: Hamiltonian, polynomial: Polynomial, projectors: Sequence[Projector], seed: int, precision: str
) -> float:
    """The root of the mean of p(E)² over the states of the sector, by one random vector."""
    with jax.enable_x64(precision == "double"):
        bare = bare_map(hamiltonian, polynomial, projectors)
        vector = random_vectors(seed, hamiltonian.dim, 0, 1, _dtype(precision))
        inside = vector
        for projector in projectors:
            inside = projector(inside)
        weighted = _root(bare, vector)
        return float((inner(weighted, weighted) / inner(inside, inside))[0]) ** 0.5


def _dtype(precision: str) -> np.dtype:
    return np.dtype(np.complex64 if precision == "single" else np.complex128)


def _effective_dimension(chi: EquilibriumMap, states: np.ndarray, vectors: int) -> tuple[float, Estimate]:
    r"""Tr χ², and 1/Tr χ² with its error: relative variance $(4p_2 - 4p_3/p_2 + p_4/p_2^2)/R$ with p_n = Tr χⁿ."""
    power = weighted(chi, states)
    second = squared_norm(power)
    if not vectors:
        return second, Estimate(1 / second, 0.0)
    power = weighted(chi, power[:, :ERROR_VECTORS])
    share = vectors / power.shape[1]
    third, fourth = share * squared_norm(power), share * squared_norm(weighted(chi, power))
    variance = (4 * second - 4 * third / second + fourth / second**2) / vectors
    return second, Estimate(1 / second, max(variance, 0.0) ** 0.5 / second)
