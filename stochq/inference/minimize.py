"""Two ways down to the least χ²: damped Gauss-Newton steps, or any optimizer of optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.inference.result import History, flat, parameter_names, shaped

Residuals = Callable[[Any], jax.Array]
# A vector (P,) -> residuals (n,) and their Jacobian (n, P).
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

# A step this small, in standard errors, changes nothing worth knowing; rounding in single precision is not far below.
_NEGLIGIBLE = 0.05
_DAMPING, _LEAST_DAMPING, _LARGEST_DAMPING = 1e-3, 1e-9, 1e9
_RATIO = 10.0
# A derivative is believed where the step that should change χ by 1 changes it by this at least.
_DERIVATIVE_RTOL = 0.1
_NOT_SMOOTH = "no step however short lowers chi2; predict may not be smooth here, or not use one seed throughout"


class Minimum(NamedTuple):
    """The best parameters as a vector (P,), residuals (n,) and their Jacobian (n, P) there, and how they were found;
    advice: what to do if that did not converge."""

    vector: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    history: History
    converged: bool | None
    advice: str = ""


def gauss_newton(evaluate: Evaluate, start: Any, steps: int) -> Minimum:
    """Levenberg and Marquardt's damped steps: −(JᵀJ + λ diag JᵀJ)⁻¹Jᵀr, λ lowered after each success.

    A step to where the prediction is not finite, such as a negative rate, fails like one that raises χ².
    """
    best = flat(start)
    value, jacobian = evaluate(best)
    check_start(evaluate, start, value, jacobian)
    damping, converged = _DAMPING, _negligible(value, jacobian)
    losses, visited = [_loss(value)], [best]
    while len(losses) < steps and not converged and damping < _LARGEST_DAMPING:
        trial = best + _damped_step(value, jacobian, damping)
        new_value, new_jacobian = evaluate(trial)
        if np.all(np.isfinite(new_jacobian)) and _loss(new_value) < _loss(value):
            best, value, jacobian = trial, new_value, new_jacobian
            damping, converged = max(damping / _RATIO, _LEAST_DAMPING), _negligible(value, jacobian)
        else:
            damping *= _RATIO
        losses.append(_loss(value))
        visited.append(best)
    history = History(np.array(losses), shaped(np.stack(visited), start))
    # The rest of the way, so short that the linearised problem serves.
    rest = _damped_step(value, jacobian, _LEAST_DAMPING) if converged else np.zeros_like(best)
    advice = ""
    if not converged:
        advice = _NOT_SMOOTH if damping >= _LARGEST_DAMPING else "take more steps"
    return Minimum(best + rest, value + jacobian @ rest, jacobian, history, converged, advice)


def _negligible(value: np.ndarray, jacobian: np.ndarray) -> bool:
    """Whether the minimum of the linearised problem lies within a small fraction of the standard errors."""
    return bool(np.linalg.norm(jacobian @ _damped_step(value, jacobian, _LEAST_DAMPING)) < _NEGLIGIBLE)


def descend(residuals: Residuals, evaluate: Evaluate, start: Any, optimizer: Any, steps: int) -> Minimum:
    """`steps` steps of an optimizer of optax on χ²/2; the best parameters on the way are kept."""
    import optax

    optimizer = optax.with_extra_args_support(optimizer)

    def loss(parameters: Any) -> jax.Array:
        return 0.5 * jnp.sum(jnp.square(residuals(parameters)))

    @jax.jit
    def step(parameters: Any, state: Any) -> tuple[Any, Any, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state, parameters, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(parameters, updates), state, value

    parameters = jax.tree.map(jnp.asarray, start)
    state = optimizer.init(parameters)
    losses, visited = [], []
    for number in range(steps):
        following, state, value = step(parameters, state)
        losses.append(float(value))
        visited.append(flat(parameters))
        if not np.isfinite(losses[-1]):
            raise RuntimeError(
                f"predict: the prediction became non-finite at step {number}, parameters {visited[-1]}. Take a lower "
                "learning rate, or fit the logarithm of a parameter that must stay positive."
            )
        parameters = following
    best = visited[int(np.argmin(losses))]
    value, jacobian = evaluate(best)
    return Minimum(best, value, jacobian, History(np.array(losses), shaped(np.stack(visited), start)), None)


def check_start(evaluate: Evaluate, start: Any, value: np.ndarray, jacobian: np.ndarray) -> None:
    """ValueError when the prediction or its derivative has no value at the start, or one that means nothing.

    Noise grows with the root of its rate: at a rate of exactly zero the derivative is infinite, and what comes out is
    an absurdly large number. A step of one standard error by it then changes nothing.
    """
    for what, array in (("a prediction", value), ("a derivative", jacobian)):
        if not np.all(np.isfinite(array)):
            raise ValueError(
                f"start: expected parameters at which predict gives finite numbers; {what} is not finite there. "
                "Rates must be positive: the noise grows with their square root."
            )
    vector, names = flat(start), parameter_names(start)
    for place in np.flatnonzero(vector == 0):
        slope = np.linalg.norm(jacobian[:, place])
        if slope == 0:
            continue
        moved = vector.copy()
        moved[place] = 1 / slope
        if not np.linalg.norm(evaluate(moved)[0] - value) > _DERIVATIVE_RTOL:
            raise ValueError(
                f"start: expected {names[place]!r} to be positive; got 0, where the prediction has no derivative with "
                "respect to it: noise grows with the root of its rate. Start from a positive value, or fit the "
                "logarithm of the parameter."
            )


def _loss(value: np.ndarray) -> float:
    loss = 0.5 * float(value @ value)
    return loss if np.isfinite(loss) else np.inf


def _damped_step(value: np.ndarray, jacobian: np.ndarray, damping: float) -> np.ndarray:
    """Solved as a least-squares problem, which squares no condition number."""
    scale = np.linalg.norm(jacobian, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    padded = np.concatenate([jacobian / scale, np.sqrt(damping) * np.eye(jacobian.shape[1])])
    target = np.concatenate([-value, np.zeros(jacobian.shape[1])])
    return np.linalg.lstsq(padded, target, rcond=None)[0] / scale
