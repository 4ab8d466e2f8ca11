"""Markovian feedback: a homodyne current drives a Hamiltonian without delay, or clicks do."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import expm

from stochq.arrays import Array, Number, OperatorLike, as_complex, is_concrete
from stochq.equation import Equation
from stochq.equation_input import as_equation
from stochq.measurement import Counting, Detector, Homodyne, counting, homodyne, unread
from stochq.measurement.detector import full
from stochq.models.monitored import monitored
from stochq.operators import as_operator
from stochq.systems.checks import check_hermitian
from stochq.systems.driven import driven
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import levels


def markovian_feedback(equation: Equation, feedback: Mapping[str, OperatorLike]) -> Equation:
    r"""A monitored system whose homodyne currents and clicks I drive it without delay, H_fb = Σ F_k I_k.

    $$\dot\rho = -\tfrac i\hbar\big[H + \tfrac12(c^\dagger F+Fc), \rho\big] + \mathcal D[c-\tfrac i\hbar F]\rho
      + \mathcal D[\sqrt{1-\eta}\,L]\rho,\qquad c = \sqrt\eta\,e^{-i\varphi}L$$

    for one detector of gain 1 (Wiseman and Milburn, PRL 70, 548 (1993), whose current is divided by √η). Of a counter
    I is dN/dt, and every click is followed by the kick $e^{-iF/\hbar}$ at once: c becomes $e^{-iF/\hbar}c$ (Wiseman,
    PRA 49, 2133 (1994)). The current
    is what is written down, with gain, offset and electronic noise. The trajectories of the equation that comes back
    are those under feedback, and its records are the same currents.

    Args:
        equation: from `sq.models.monitored`.
        feedback: {name: F}, for homodyne detectors and counters among its names a Hermitian F (dim, dim) or (dim,), an
            energy over the unit of the current, √time; of counters an action.

    Returns:
        The monitored equation with feedback. What a fed-back detector of efficiency below 1 loses is unread.

    Raises:
        ValueError: for names of other detectors, counters with dark counts, and matrices that are not Hermitian or do
            not fit.

    Feedback of the fluorescence turns the decay of an atom around: with F = −√γ σ_y it stays excited.

    >>> import numpy as np
    >>> import stochq as sq
    >>> lower = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> atom = sq.models.monitored(np.zeros((2, 2)), {"current": sq.measurement.homodyne(lower)})
    >>> held = markovian_feedback(atom, {"current": np.array([[0.0, 1.0j], [-1.0j, 0.0]])})
    >>> float(sq.exact.steady_state(held)[0, 0].real.round(6))
    1.0
    """
    equation = as_equation(equation)
    names = [line.name for line in equation.lines] if equation.detectors else []
    detectors = {name: _detector(equation, name) for name in names}
    unseen = [one for one in equation.detectors if one.kind is None]
    changed: dict[str, Detector] = {}
    added: np.ndarray = np.zeros((equation.dim, equation.dim))
    if isinstance(feedback, Mapping):
        dims = equation.hamiltonian.dims
        feedback = {name: as_operator(f"feedback[{name!r}]", one, dims) for name, one in feedback.items()}
    _check_feedback(feedback, detectors, equation.dim)
    for name, detector in detectors.items():
        if name not in feedback:
            changed[name] = detector
            continue
        force = full(as_complex(feedback[name]))
        watched, scale = detector.watched()[0], detector.scale
        unseen += [unread(lost) for lost in detector.lost()]
        if isinstance(detector, Counting):
            changed[name] = replace(counting(_kick(force, equation.hbar) @ watched), drives=True)
            continue
        turned = scale * force / equation.hbar
        crossed = equation.hbar * turned @ watched
        added = added + 0.5 * (crossed + crossed.conj().T) + detector.drift * force
        fed = homodyne(watched - 1j * turned, gain=scale, offset=detector.drift)
        changed[name] = replace(fed, drives=True)
    free = (name for number in count(1) if (name := f"unread {number}") not in names)
    changed |= dict(zip(free, unseen, strict=False))
    return monitored(_with_term(equation.hamiltonian, added), changed, hbar=equation.hbar)


def _kick(force: Array, hbar: Number) -> Array:
    """exp(−iF/ħ)."""
    if not is_concrete((force, hbar)):
        return expm(-1j * force / hbar)
    energies, vectors = np.linalg.eigh(force)
    return (vectors * np.exp(-1j * energies / float(hbar))) @ vectors.conj().T


def _detector(equation: Equation, name: str) -> Detector:
    (line,) = (line for line in equation.lines if line.name == name)
    return equation.detectors[line.detector]


def _with_term(hamiltonian: Hamiltonian, term: Array) -> Hamiltonian:
    if hamiltonian.time_dependent:
        return driven(hamiltonian, [term], [jnp.ones_like])
    return levels(full(hamiltonian.matrix()) + term)


def _check_feedback(feedback: object, detectors: dict[str, Detector], dim: int) -> None:
    suited = [name for name, detector in detectors.items() if isinstance(detector, (Homodyne, Counting))]
    if not suited:
        raise ValueError(
            "equation: expected one with homodyne detectors or counters, from sq.models.monitored(hamiltonian, {name: "
            "sq.measurement.homodyne(L)}); this one has none."
        )
    if not isinstance(feedback, Mapping) or not feedback:
        raise ValueError(f"feedback: expected {{name: F}} for one or more of {', '.join(suited)}.")
    for name, force in feedback.items():
        if name not in suited:
            raise ValueError(
                f"feedback: expected names of homodyne detectors and counters, {', '.join(suited)}; got {name!r}."
            )
        detector = detectors[name]
        if isinstance(detector, Counting) and not is_concrete(detector.dark):
            raise ValueError(
                f"feedback[{name!r}]: expected a counter without dark counts; got a traced dark. Leave it out."
            )
        if isinstance(detector, Counting) and np.any(detector.dark):
            raise ValueError(
                f"feedback[{name!r}]: expected a counter without dark counts, which kick a state that they tell "
                "nothing of. sq.simulate(..., feedback=sq.feedback.Loop(controller, kicks={...})) takes them."
            )
        if detector.time_dependent:
            raise ValueError(f"feedback[{name!r}]: expected a detector of constant phase; this one depends on time.")
        label = f"feedback[{name!r}]"
        matrix = full(as_complex(force)) if np.ndim(force) == 1 else force
        check_hermitian(label, matrix)
        if np.shape(matrix) != (dim, dim):
            raise ValueError(f"{label}: expected shape ({dim}, {dim}) or ({dim},); got {np.shape(force)}.")
