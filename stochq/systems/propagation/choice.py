"""The cheaper of the propagators for a stated error of a step, and why."""

import dataclasses
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from stochq.arrays import Array, Number, is_concrete
from stochq.systems.hamiltonian import Propagator, State
from stochq.systems.propagation.chebyshev import Chebyshev, chebyshev, terms_needed
from stochq.systems.propagation.splitting import Splitting
from stochq.systems.propagation.trotter import STAGES, Trotter, trotter
from stochq.systems.propagation.windows import planes_of

# The error of a step, relative to the state, that counts as none: about what its products round off.
ACCURACY = {"float32": 1e-6, "float64": 1e-12}
# A term of Chebyshev's sum takes as long as this many symmetric steps: both pass over all windows once, the former with
# a sum behind every window and a recurrence.
TERM_COST = 2.0
# Times the largest strength on one site: the length of the steps whose errors are measured.
_MEASURED_LENGTH = 0.1
# Steps of order 4 in the place of one, whose result counts as exact.
_REFERENCE_STEPS = 4


class Plan(NamedTuple):
    """How a step is made. steps: of order 2 and of order 4, as many as they need; terms: of Chebyshev's sum. Costs are
    in symmetric steps of order 2."""

    second: Array
    fourth: Array
    terms: Array
    accuracy: float

    @property
    def is_fourth(self) -> Array:
        """Whether the formula of order 4 is the cheaper one."""
        return STAGES * self.fourth < self.second

    @property
    def steps(self) -> Array:
        """Steps of the cheaper formula."""
        return jnp.where(self.is_fourth, self.fourth, self.second)

    @property
    def is_polynomial(self) -> Array:
        """Whether Chebyshev's polynomial is the cheapest."""
        return TERM_COST * self.terms < jnp.minimum(self.second, STAGES * self.fourth)

    def __str__(self) -> str:
        costs = {
            f"{int(self.second)} Trotter steps of order 2": float(self.second),
            f"{int(self.fourth)} Suzuki steps of order 4": STAGES * float(self.fourth),
            f"{int(self.terms)} Chebyshev terms": TERM_COST * float(self.terms),
        }
        best, *others = sorted(costs, key=lambda name: costs[name])
        told = ", ".join(f"{name} {costs[name]:.0f}" for name in others)
        return f"{best} for an error of {self.accuracy:.1g} a step: cost {costs[best]:.0f}; {told}"


@final
class Chosen(Propagator):
    """A product formula or a polynomial, decided where the length of the step is known: in a compiled run."""

    product: Trotter
    polynomial: Chebyshev
    is_polynomial: Array

    def __call__(self, t: Number, psi: State) -> State:
        # Planes, since a complex operand would stand beside its own as long as a way takes.
        ways = [self.product.on_planes, self.polynomial.on_planes]
        return lax.complex(*lax.switch(self.is_polynomial.astype(jnp.int32), ways, planes_of(psi)))


def plan_of(splitting: Splitting, bounds: tuple[Number, Number], dt: Number, accuracy: float | None = None) -> Plan:
    """What each way costs to make exp(-i H dt) within the accuracy.

    >>> from stochq.systems.propagation import splitting_of
    >>> chain = splitting_of(2, [(1.0, {0: "Z", 1: "Z"}), (0.5, {0: "X"}), (0.5, {1: "X"})])
    >>> print(plan_of(with_measured_errors(chain), (-2.0, 2.0), 0.01))
    1 Trotter steps of order 2 for an error of 1e-06 a step: cost 1; 1 Suzuki steps of order 4 5, 4 Chebyshev terms 8
    """
    errors = np.zeros(2) if splitting.groups <= 1 else splitting.errors
    assert errors is not None
    return _plan(errors, bounds, dt, _stated(accuracy, dt))


def _plan(errors: Array, bounds: tuple[Number, Number], dt: Number, accuracy: float) -> Plan:
    """errors: as of `with_measured_errors`."""
    dt = jnp.abs(jnp.asarray(dt))
    radius = jnp.asarray(bounds[1] - bounds[0], dt.dtype) / 2
    terms = terms_needed(radius * dt, accuracy)
    errors = jnp.asarray(errors, dt.dtype)
    second, fourth = (_steps_needed(error, order, dt, accuracy) for error, order in zip(errors, (2, 4), strict=True))
    return Plan(second, fourth, terms, accuracy)


@jax.jit
def _is_polynomial(errors: Array, bounds: tuple[Number, Number], dt: Array) -> Array:
    """Compiled: a call that is asked again and again would trace it every time."""
    return _plan(errors, bounds, dt, _stated(None, dt)).is_polynomial


def _stated(accuracy: float | None, dt: Number) -> float:
    """What was given, or what belongs to the precision of the step's length."""
    return ACCURACY[jnp.asarray(dt).dtype.name] if accuracy is None else accuracy


def _steps_needed(error: jax.Array, order: int, dt: jax.Array, accuracy: float) -> jax.Array:
    """n with e (dt/n)^(p+1) n below the accuracy."""
    return jnp.maximum(jnp.ceil((error * dt ** (order + 1) / accuracy) ** (1 / order)), 1)


def propagator_of(
    splitting: Splitting,
    bounds: tuple[Number, Number],
    dt: Number,
    hbar: Number = 1.0,
    accuracy: float | None = None,
) -> Propagator:
    r"""The step exp(-i H dt / ħ), the cheapest way for an error of a step.

    Without measured errors, as where the Hamiltonian is traced, it is Chebyshev's polynomial.

    Args:
        splitting: of H, from `splitting_of`, with its errors from `with_measured_errors`.
        bounds: of the spectrum of H.
        dt: length of the step, of either sign; it may be traced.
        hbar: in units of energy times time.
        accuracy: largest error of a step relative to the state, 1e-6 in single and 1e-12 in double precision unless
            given.
    """
    dt = dt / hbar
    if splitting.groups <= 1:
        return trotter(splitting, dt, 1, False)
    if splitting.errors is None or splitting.way == "polynomial":
        return chebyshev(splitting, bounds, dt, _stated(accuracy, dt))
    plan = plan_of(splitting, bounds, dt, accuracy)
    product = trotter(splitting, dt, plan.steps, plan.is_fourth)
    if splitting.way == "product":
        return product
    polynomial = chebyshev(splitting, bounds, dt, _stated(accuracy, dt))
    if not is_concrete(plan):
        return Chosen(product, polynomial, plan.is_polynomial)
    return polynomial if plan.is_polynomial else product


def with_chosen_way(splitting: Splitting, bounds: tuple[Number, Number], dt: float) -> Splitting:
    """The splitting with the cheaper way for steps as long as dt, so that a program holds no other.

    Any other step is made with the same error. Where it may be traced which is the cheaper one, both are held.
    """
    if splitting.errors is None or splitting.groups <= 1 or not is_concrete((splitting, bounds)):
        return splitting
    is_polynomial = bool(_is_polynomial(splitting.errors, bounds, np.float32(dt)))
    return dataclasses.replace(splitting, way="polynomial" if is_polynomial else "product")


def with_measured_errors(splitting: Splitting) -> Splitting:
    r"""The splitting with the constants e_p of ‖S_p(τ)ψ − e^{-iHτ}ψ‖ = e_p τ^{p+1}, p = 2 and 4, on a random state.

    Made once for a Hamiltonian whose numbers are known; in double precision, as the errors are small.
    """
    if splitting.errors is not None or splitting.groups <= 1 or not is_concrete(splitting):
        return splitting
    strength = float(splitting.strength)
    if not strength:
        return eqx.tree_at(lambda s: s.errors, splitting, np.zeros(2), is_leaf=lambda leaf: leaf is None)
    length = _MEASURED_LENGTH / strength
    rng = np.random.default_rng(0)
    psi = rng.normal(size=splitting.dim) + 1j * rng.normal(size=splitting.dim)
    with jax.enable_x64(True):
        differences = np.asarray(_errors(splitting, jnp.asarray(psi / np.linalg.norm(psi)), jnp.asarray(length)))
    errors = differences / length ** np.array([3, 5])
    return eqx.tree_at(lambda s: s.errors, splitting, errors, is_leaf=lambda leaf: leaf is None)


@eqx.filter_jit
def _errors(splitting: Splitting, psi: jax.Array, length: jax.Array) -> jax.Array:
    """Errors of one step of order 2 and of one of order 4."""

    def after(setting: tuple[jax.Array, jax.Array]) -> jax.Array:
        steps, is_fourth = setting
        return jnp.asarray(trotter(splitting, length, steps, is_fourth)(0.0, psi))

    settings = jnp.array([1.0, 1.0, float(_REFERENCE_STEPS)]), jnp.array([False, True, True])
    second, fourth, exact = lax.map(after, settings)
    return jnp.stack([jnp.linalg.norm(second - exact), jnp.linalg.norm(fourth - exact)])
