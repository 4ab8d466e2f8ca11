"""A jump operator that is a sum of given ones with coefficients that depend on time."""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from stochq.arrays import Array, Number, TermsInTime, is_concrete, stacked
from stochq.channels.channel import Channel
from stochq.channels.families.operators import Operators
from stochq.channels.families.structure import structured
from stochq.channels.flow import Flow
from stochq.laws import JUMP, Law
from stochq.noise import Budget, StepNoise
from stochq.systems.basis import Basis, given_from
from stochq.systems.checks import check_finite, is_hermitian, shape_of
from stochq.systems.influences import Influence, largest_of
from stochq.systems.part_axis import PartAxis
from stochq.systems.time_functions import TimeFunction, time_function

if TYPE_CHECKING:
    from stochq.channels.jumps import Jumps


@final
class TimeDependentOperator(Channel):
    r"""One jump operator that depends on time.

    $$L(t) = \sum_j f_j(t)\,A_j$$

    The coefficients may be complex. Under real noise the phase of L says which quadrature is measured,
    $e^{-i\varphi(t)}L$ that of a local oscillator whose phase turns; the mean density matrix does not depend on it.
    A step takes L in the middle of it: of weak order 2. Steps that are left open resolve coefficients as `Modulated`
    says.

    Args:
        terms: pairs (A_j, f_j): a matrix (dim, dim) or a diagonal (dim,) with √rate inside, 1/√time, and a function of
            the time t, written with `jax.numpy` or from `sq.systems.sampled` or `sq.systems.piecewise`. Define it once:
            a new function is compiled anew.
        basis: in which the A_j are written, None for the given one.

    Raises:
        ValueError: for operators that do not fit or are not finite, and coefficients that are no functions of t.

    >>> import jax.numpy as jnp
    >>> import stochq as sq
    >>> lowering = [[0.0, 1.0], [0.0, 0.0]]
    >>> turning = sq.channels.TimeDependentOperator([(lowering, lambda t: jnp.exp(-2j * t))])
    >>> turning.at(jnp.pi / 4).operators().imag.round(6).tolist()
    [[[0.0, -1.0], [0.0, 0.0]]]
    """

    terms: Operators
    coefficients: tuple[TimeFunction, ...]

    def __init__(self, terms: TermsInTime, basis: Basis | None = None) -> None:
        operators, functions = _pairs(terms)
        self.coefficients = functions
        self.terms = structured(_stack(operators), basis)
        self.basis = self.terms.basis

    @property
    def dim(self) -> int:
        return self.terms.dim

    @property
    def time_dependent(self) -> bool:
        return True

    @property
    def time_functions(self) -> Mapping[str, TimeFunction]:
        return {f"terms[{j}]": function for j, function in enumerate(self.coefficients)}

    @property
    def influences(self) -> tuple[Influence, ...]:
        """Of every term alone, as far as `strongest` goes."""
        found, count = [], len(self.coefficients)
        for j, function in enumerate(self.coefficients):
            size = count * largest_of(self.terms.combined(np.eye(count)[j]).total_loss())
            found.append(Influence(f"terms[{j}]", size, _square_of(function), function.knots, False))
        return tuple(found)

    def at(self, t: Number) -> Operators:
        """The operator at time t, as a channel that does not depend on time."""
        stack = jnp.asarray(self.terms.stack())
        factors = [jnp.asarray(function(t)) for function in self.coefficients]
        kind = jnp.result_type(stack.dtype, *(jnp.complex64 for f in factors if jnp.iscomplexobj(f)))
        return self.terms.combined(jnp.stack([factor.astype(kind) for factor in factors]))

    def operators(self) -> np.ndarray:
        raise ValueError(
            "channels: expected operators that do not depend on time; TimeDependentOperator has coefficients. Those at "
            "one time are `channel.at(t).operators()`."
        )

    def operators_at(self, t: Number) -> jax.Array:
        return self.at(t).apply_all(jnp.eye(self.dim, dtype=complex))

    def written_out(self, columns: Array | None) -> Channel:
        terms = given_from(columns, self.terms.operators())
        return TimeDependentOperator(list(zip(terms, self.coefficients, strict=True))).with_law(self.law)

    def unsupported_on_part(self) -> str:
        return ""

    def on_part(self, axis: PartAxis, columns: Array | None) -> Channel:
        changed = copy.copy(self)
        object.__setattr__(changed, "terms", self.terms.on_part(axis, columns))
        object.__setattr__(changed, "basis", changed.terms.basis)
        return changed

    @property
    def count(self) -> int:
        return 1

    def strongest(self, times: np.ndarray) -> float:
        """Of J terms: |Σ_j f_j A_jψ|² ≤ J Σ_j |f_j|²|A_jψ|², Cauchy and Schwarz's inequality."""
        named = self.time_functions.items()
        return len(named) * max(function.largest_square(name, times) for name, function in named)

    def total_loss(self) -> np.ndarray:
        """Without the coefficients, for which `strongest` makes up."""
        return self.terms.total_loss()

    def dissipator(self, t: jax.Array, rho: jax.Array) -> jax.Array:
        return self.at(t).dissipator(t, rho)

    def budget(self, law: Law) -> Budget:
        return law.budget(1)

    def drift(self, t: jax.Array, psi: jax.Array, law: Law) -> jax.Array:
        return self.at(t).drift(t, psi, law)

    def diffuse(self, t: jax.Array, psi: jax.Array, noise: StepNoise, dt: jax.Array, law: Law) -> jax.Array:
        return self.at(t).diffuse(t, psi, noise, dt, law)

    def flow(self, law: Law) -> Flow:
        from stochq.channels.flows.time_dependent import TimeDependentFlow

        return TimeDependentFlow(self, law, False, self._first().flow(law))

    def discrete_flow(self, law: Law) -> Flow:
        from stochq.channels.flows.time_dependent import TimeDependentFlow

        return TimeDependentFlow(self, law, True, self._first().discrete_flow(law))

    def jumps(self) -> "Jumps":
        """Of one term alone: as many kinds of clicks."""
        return self._first().jumps()

    def jump_flow(self) -> Flow:
        from stochq.channels.flows.time_dependent import TimeDependentFlow

        return TimeDependentFlow(self, JUMP, False, self._first().jump_flow())

    def _first(self) -> Operators:
        """The first term alone."""
        return self.terms.combined(np.eye(len(self.coefficients))[0])

    def unsupported(self, law: Law) -> str:
        if not law.needs_hermitian or not is_concrete(self.terms.stack()):
            return ""
        hermitian = all(is_hermitian(operator) for operator in self.terms.operators())
        if hermitian and not any(function.has_complex_values for function in self.coefficients):
            return ""
        return "noise: 'unitary' needs Hermitian L(t): Hermitian terms and real coefficients. Use 'real'."


def _square_of(function: TimeFunction) -> Callable[[jax.Array], jax.Array]:
    return lambda t: jnp.abs(jax.vmap(function)(t)) ** 2


def _pairs(terms: Any) -> tuple[list[Any], tuple[TimeFunction, ...]]:
    """Operators, checked for their shapes, and coefficients of [(A_j, f_j), ...]."""
    entries = list(terms) if isinstance(terms, (list, tuple)) else []
    if not entries or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in entries):
        raise ValueError(
            "terms: expected pairs [(operator, function of t), ...]; got something else. Write "
            "sq.channels.TimeDependentOperator([(L, lambda t: jnp.exp(-t))])."
        )
    functions = tuple(
        time_function(f"terms[{j}]", function, complex_values=True) for j, (_, function) in enumerate(entries)
    )
    return [operator for operator, _ in entries], functions


def _stack(operators: list[Any]) -> Array:
    """The terms as one array (J, dim, dim)."""
    dim = shape_of("terms[0]", operators[0])[-1:]
    return stacked([_matrix(j, operator, dim) for j, operator in enumerate(operators)])


def _matrix(index: int, operator: Any, dim: tuple[int, ...]) -> Array:
    shape = shape_of(f"terms[{index}]", operator)
    if not dim or shape not in (dim, dim * 2):
        wanted = "a matrix (dim, dim) or a diagonal (dim,)" if not dim else f"shape {dim} or {dim * 2}"
        raise ValueError(f"terms[{index}]: expected an operator of {wanted}; got shape {shape}.")
    check_finite(f"terms[{index}]", operator)
    array = np.asarray(operator) if is_concrete(operator) else operator
    if len(shape) == 2:
        return array
    return np.diag(array) if is_concrete(array) else jnp.diag(array)
