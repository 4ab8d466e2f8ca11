"""Steps long enough to alias a Bohr frequency, and the rates that a step must resolve."""

import numpy as np

from stochq.equation import Equation
from stochq.schemes import Frame, Scheme
from stochq.systems.hamiltonian import Hamiltonian

# Up to this dimension the Hamiltonian is diagonalised to see where half a step takes a state.
_LARGEST_PROPAGATED = 128


def bandwidth(equation: Equation) -> float:
    """An upper bound on the Bohr frequencies, 1/time; infinite where a drive may be faster."""
    return float(equation.hamiltonian.bandwidth) / float(equation.hbar)


def may_alias(bandwidth: float, h: float) -> bool:
    """Whether some level may make a whole period within h/2, so that h and h/2 agree without being right."""
    return 0.5 * bandwidth * h >= 2 * np.pi


def explicit_limit(equation: Equation, scheme: Scheme) -> float:
    """The longest step that resolves the Hamiltonian where the scheme does not propagate by it exactly."""
    width = bandwidth(equation)
    if scheme.propagates_exactly or not np.isfinite(width) or width == 0:
        return np.inf
    return 1 / width


def jump_rate_operator(equation: Equation, frame: Frame, scheme: Scheme, means: bool) -> np.ndarray | None:
    """Σ L†L of the channels that the scheme does not solve exactly, in the given basis: (dim,) or (dim, dim).

    Its expectation is the rate of jumps. means: where means of operators are all that is asked for; None where every
    channel is solved exactly.
    """
    total: np.ndarray | None = None
    for index in scheme.unresolved(frame, means):
        channel = equation.channels[index]
        loss = _in_given_basis(np.asarray(channel.total_loss()), equation.basis_matrix(channel))
        total = loss if total is None else _added(total, loss)
    return total


def _in_given_basis(loss: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
    if columns is None or (loss.ndim == 1 and np.ptp(loss) == 0):
        return loss
    columns = np.asarray(columns)
    return (columns * loss if loss.ndim == 1 else columns @ loss) @ columns.conj().T


def _added(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.ndim == second.ndim:
        return first + second
    diagonal, matrix = (first, second) if first.ndim == 1 else (second, first)
    return matrix + np.diag(diagonal)


class Propagated:
    """Where half a step of the Hamiltonian alone takes a state, on the host; None in large dimensions or under a drive.

    Between saved times a state may visit levels that decay fast: its rates there count as well.
    """

    def __init__(self, hamiltonian: Hamiltonian, hbar: float, psi: np.ndarray) -> None:
        self.possible = not hamiltonian.time_dependent and hamiltonian.dim <= _LARGEST_PROPAGATED
        if self.possible:
            energies, vectors = np.linalg.eigh(np.asarray(hamiltonian.matrix()))
            self._frequencies, self._vectors = energies / hbar, vectors
            self._components = vectors.conj().T @ psi

    def expectation(self, operator: np.ndarray, t: float) -> float:
        """⟨operator⟩ after the time t, 0 where it is not known."""
        if not self.possible:
            return 0.0
        psi = self._vectors @ (np.exp(-1j * self._frequencies * t) * self._components)
        image = operator * psi if operator.ndim == 1 else operator @ psi
        return float(np.vdot(psi, image).real)
