"""Two ways down to the least misfit: damped Gauss-Newton steps, or any optimizer of optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.inference.result import flat

# A step this small, in standard errors, changes nothing worth knowing; rounding in single precision is not far below.
NEGLIGIBLE = 0.05
_DAMPING, _LEAST_DAMPING, _LARGEST_DAMPING = 1e-3, 1e-9, 1e9
_RATIO = 10.0
# A derivative is believed where the step that should change χ by 1 changes it by this at least.
_DERIVATIVE_RTOL = 0.1
_NOT_SMOOTH = "no step however short lowers chi2; predict may not be smooth here, or not use one seed throughout"
_BEYOND = (
    "the misfit falls towards where there is no prediction any more; give bounds to parameters that have them, such as "
    "(0, 1) to an efficiency"
)
_INTERRUPTED = "interrupted; start again from these parameters"


class Local(NamedTuple):
    """A misfit near parameters (P,): gradient Jᵀr, second derivatives JᵀJ + diag(curvature).

    loss: half a χ², or minus a log-likelihood. residuals: r (n,). jacobian: J (n, P). curvature: (P,), not negative.
    longest: how far a step may go in each coordinate, (P,).
    """

    loss: float
    residuals: np.ndarray
    jacobian: np.ndarray
    curvature: np.ndarray
    longest: np.ndarray

    @staticmethod
    def of_squares(residuals: np.ndarray, jacobian: np.ndarray) -> "Local":
        """Half the sum of squares of residuals."""
        count = jacobian.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):
            loss = 0.5 * float(residuals @ residuals)
        return Local(loss, residuals, jacobian, np.zeros(count), np.full(count, np.inf))

    @property
    def gradient(self) -> np.ndarray:
        return self.jacobian.T @ self.residuals

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.loss) and np.all(np.isfinite(self.jacobian)))

    def with_rows(self, residuals: np.ndarray, jacobian: np.ndarray) -> "Local":
        """With further squares of residuals."""
        if not len(residuals):
            return self
        return self._replace(
            loss=self.loss + 0.5 * float(residuals @ residuals),
            residuals=np.concatenate([self.residuals, residuals]),
            jacobian=np.concatenate([self.jacobian, jacobian]),
        )

    def step(self, damping: float) -> np.ndarray:
        """−(JᵀJ + c + λ diag JᵀJ)⁻¹Jᵀr, as a least-squares problem, which squares no condition number."""
        scale = np.sqrt(np.sum(self.jacobian**2, axis=0) + self.curvature)
        scale = np.where(scale > 0, scale, 1.0)
        further = np.diag(np.sqrt(self.curvature / scale**2 + damping))
        padded = np.concatenate([self.jacobian / scale, further])
        target = np.concatenate([-self.residuals, np.zeros(len(scale))])
        step = np.linalg.lstsq(padded, target, rcond=None)[0] / scale
        return step / max(1.0, float(np.max(np.abs(step) / self.longest, initial=0.0)))

    def size(self, step: np.ndarray) -> float:
        """The length of a step in standard errors."""
        return float(np.sqrt(np.sum((self.jacobian @ step) ** 2) + self.curvature @ step**2))

    def after(self, step: np.ndarray) -> "Local":
        """The same after a step so short that the linearised problem serves."""
        moved = self.jacobian @ step
        loss = self.loss + float(self.residuals @ moved) + 0.5 * self.size(step) ** 2
        return self._replace(loss=loss, residuals=self.residuals + moved)


Evaluate = Callable[[np.ndarray], Local]
# Of the number of a step, the misfit and the coordinates.
Show = Callable[[int, float, np.ndarray], None]


class NotFinite(RuntimeError):
    """A search begins or arrives where the prediction is not finite."""


class Minimum(NamedTuple):
    """The best parameters (P,), the misfit there, and how they were found.

    at: (P,) where the derivatives of `local` are from. losses (steps,), visited (steps, P): of every step. advice: what
    to do if that did not converge.
    """

    vector: np.ndarray
    local: Local
    at: np.ndarray
    losses: np.ndarray
    visited: np.ndarray
    converged: bool | None
    advice: str = ""
    interrupted: bool = False


class Trail(NamedTuple):
    """How far a search has come: the damping of its next step; misfits and parameters (P,) of every step, the best at
    the end."""

    damping: float
    losses: list[float]
    visited: list[np.ndarray]


Keep = Callable[[Trail], None]


def quiet(step: int, loss: float, vector: np.ndarray) -> None:
    """Shows no progress."""


def forget(trail: Trail) -> None:
    """Writes down no trail."""


def gauss_newton(
    evaluate: Evaluate,
    start: np.ndarray,
    steps: int,
    show: Show = quiet,
    local: Local | None = None,
    trail: Trail | None = None,
    keep: Keep = forget,
) -> Minimum:
    """Levenberg and Marquardt's damped steps: −(JᵀJ + λ diag JᵀJ)⁻¹Jᵀr, λ lowered after each success.

    A step to where the prediction is not finite, such as a negative rate, fails like one that raises χ². Interrupted,
    it returns the best so far. local: the misfit at the start, where it is known. trail: of an earlier search that is
    to go on from its end, which is then the start; keep: called with the trail after each step down.
    """
    best, local = start, evaluate(start) if local is None else local
    damping, losses, visited = Trail(_DAMPING, [local.loss], [best]) if trail is None else trail
    losses, visited = list(losses), list(visited)
    converged, interrupted, beyond = _negligible(local), False, False
    try:
        while len(losses) < steps and not converged and damping < _LARGEST_DAMPING:
            show(len(losses), local.loss, best)
            trial = best + local.step(damping)
            new = evaluate(trial)
            if new.finite and new.loss < local.loss:
                best, local = trial, new
                damping, converged = max(damping / _RATIO, _LEAST_DAMPING), _negligible(local)
            else:
                damping, beyond = damping * _RATIO, not new.finite
            losses.append(local.loss)
            visited.append(best)
            if best is trial:
                keep(Trail(damping, losses, visited))
    except KeyboardInterrupt:
        interrupted = True
    advice, at = "", best
    if converged:
        rest = local.step(_LEAST_DAMPING)
        best, local = best + rest, local.after(rest)
    elif not interrupted:
        stuck = _BEYOND if beyond else _NOT_SMOOTH
        advice = stuck if damping >= _LARGEST_DAMPING or beyond else "take more steps"
    advice = _INTERRUPTED if interrupted else advice
    return Minimum(best, local, at, np.array(losses), np.stack(visited), converged, advice, interrupted)


def _negligible(local: Local) -> bool:
    """Whether the minimum of the linearised problem lies within a small fraction of the standard errors."""
    return local.size(local.step(_LEAST_DAMPING)) < NEGLIGIBLE


def descend(loss: Callable[[Any], jax.Array], evaluate: Evaluate, start: Any, optimizer: Any, steps: int) -> Minimum:
    """`steps` steps of an optimizer of optax on the misfit; the best parameters on the way are kept.

    Raises:
        ImportError: without optax.
    """
    try:
        import optax
    except ImportError as error:
        raise ImportError('optimizer: sq.fit takes those of optax: pip install "stochq[optax]".') from error
    optimizer = optax.with_extra_args_support(optimizer)

    @jax.jit
    def step(parameters: Any, state: Any) -> tuple[Any, Any, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state, parameters, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(parameters, updates), state, value

    parameters = jax.tree.map(jnp.asarray, start)
    state = optimizer.init(parameters)
    losses, visited, interrupted = [], [], False
    try:
        for number in range(steps):
            following, state, value = step(parameters, state)
            losses.append(float(value))
            visited.append(flat(parameters))
            if not np.isfinite(losses[-1]):
                raise NotFinite(
                    f"predict: the prediction became non-finite at step {number}, parameters {visited[-1]}. Take a "
                    "lower learning rate, or fit the logarithm of a parameter that must stay positive."
                )
            parameters = following
    except KeyboardInterrupt:
        if not losses:
            raise
        interrupted = True
    best = visited[int(np.argmin(losses))]
    end = (False, _INTERRUPTED, True) if interrupted else (None, "", False)
    return Minimum(best, evaluate(best), best, np.array(losses), np.stack(visited), *end)


def check_start(evaluate: Evaluate, start: np.ndarray, names: tuple[str, ...], local: Local, hint: str) -> None:
    """ValueError when the prediction or its derivative has no value at the start, or one that means nothing.

    Noise grows with the root of its rate: at a rate of exactly zero the derivative is infinite, and what comes out is
    an absurdly large number. A step of one standard error by it then changes nothing.
    """
    for what, array in (("a prediction", local.loss), ("a derivative", local.jacobian)):
        if not np.all(np.isfinite(array)):
            raise ValueError(
                f"start: expected parameters at which predict gives finite numbers; {what} is not finite there. " + hint
            )
    for place in np.flatnonzero(start == 0):
        slope = np.linalg.norm(local.jacobian[:, place])
        if slope == 0:
            continue
        moved = start.copy()
        moved[place] = 1 / slope
        if not np.linalg.norm(evaluate(moved).residuals - local.residuals) > _DERIVATIVE_RTOL:
            raise ValueError(
                f"start: expected {names[place]!r} to be positive; got 0, where the prediction has no derivative with "
                "respect to it: noise grows with the root of its rate. Start from a positive value, or fit the "
                "logarithm of the parameter."
            )
