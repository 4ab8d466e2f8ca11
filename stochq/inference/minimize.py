"""Two ways down to the least χ²: damped Gauss-Newton steps, or any optimizer of optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stochq.inference.result import History, flat, shaped

Residuals = Callable[[Any], jax.Array]

# A step this small, in standard errors, changes nothing worth knowing; rounding in single precision is not far below.
_NEGLIGIBLE = 0.05
_DAMPING, _LEAST_DAMPING, _LARGEST_DAMPING = 1e-3, 1e-9, 1e9
_RATIO = 10.0
_STUCK = "no step however short lowers chi2; predict may not be smooth here, or not use one seed throughout"


class Minimum(NamedTuple):
    """The best parameters as a vector (P,), residuals (n,) and their Jacobian (n, P) there, and how they were found;
    advice: what to do if that did not converge."""

    vector: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    history: History
    converged: bool | None
    advice: str = ""


def linearized(residuals: Residuals, start: Any) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The function vector (P,) -> residuals (n,), Jacobian (n, P); forward mode, as parameters are few."""

    def twice(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = residuals(shaped(vector, start))
        return value, value

    compiled = jax.jit(jax.jacfwd(twice, has_aux=True))

    def evaluate(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jacobian, value = jax.device_get(compiled(vector))
        return np.asarray(value, np.float64), np.asarray(jacobian, np.float64)

    return evaluate


def gauss_newton(residuals: Residuals, start: Any, steps: int) -> Minimum:
    """Levenberg and Marquardt's damped steps: −(JᵀJ + λ diag JᵀJ)⁻¹Jᵀr, λ lowered after each success.

    A step to where the prediction is not finite, such as a negative rate, fails like one that raises χ².
    """
    evaluate = linearized(residuals, start)
    best = flat(start)
    value, jacobian = evaluate(best)
    check_finite_start(value, jacobian)
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
    advice = _STUCK if damping >= _LARGEST_DAMPING else "take more steps"
    return Minimum(best + rest, value + jacobian @ rest, jacobian, history, converged, advice)


def _negligible(value: np.ndarray, jacobian: np.ndarray) -> bool:
    """Whether the minimum of the linearised problem lies within a small fraction of the standard errors."""
    return bool(np.linalg.norm(jacobian @ _damped_step(value, jacobian, _LEAST_DAMPING)) < _NEGLIGIBLE)


def descend(residuals: Residuals, start: Any, optimizer: Any, steps: int) -> Minimum:
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
    value, jacobian = linearized(residuals, start)(best)
    return Minimum(best, value, jacobian, History(np.array(losses), shaped(np.stack(visited), start)), None)


def check_finite_start(value: np.ndarray, jacobian: np.ndarray) -> None:
    """ValueError when the prediction or its derivative has no value at the start."""
    for what, array in (("a prediction", value), ("a derivative", jacobian)):
        if not np.all(np.isfinite(array)):
            raise ValueError(
                f"start: expected parameters at which predict gives finite numbers; {what} is not finite there. "
                "Rates must be positive: the noise grows with their square root."
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
