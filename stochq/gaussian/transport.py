"""Linear algebra of damped hopping: K C + C K† = F, solved for one matrix K and many F."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Complex, Float, Inexact

# Below this size LAPACK's own triangular solver is as fast as splitting further.
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Damping:
    r"""$K = iH + \frac12\Gamma$, which damps amplitudes as $\dot a = -Ka$, with what is needed to solve
    $KC + CK^\dagger = F$ again and again in O(L³) each.

    A frequency that all modes share drops out of C and is left out of K: it would only cost digits. Where the phases
    of the modes can be chosen so that $iH$ is real (every chain and every bipartite lattice of equal frequencies),
    they are, and all arithmetic is real.

    >>> import numpy as np
    >>> Damping(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0])).solve(np.eye(2)).diagonal().real
    array([0.5, 0.5])
    """

    hamiltonian: Inexact[np.ndarray, "modes modes"]
    rates: Float[np.ndarray, " modes"]
    phases: Complex[np.ndarray, " modes"] | None = field(init=False)
    matrix: Inexact[np.ndarray, "modes modes"] = field(init=False)

    def __post_init__(self) -> None:
        coupling = self.hamiltonian - self.frequency * np.eye(len(self.rates))
        phases = real_gauge(coupling)
        turned = 1j * coupling if phases is None else (1j * coupling * phases.conj()[:, None] * phases).real
        object.__setattr__(self, "phases", phases)
        object.__setattr__(self, "matrix", turned + np.diag(self.rates / 2))

    @property
    def frequency(self) -> float:
        """The median frequency of the modes, which `matrix` leaves out."""
        return float(np.median(np.diagonal(self.hamiltonian).real))

    @cached_property
    def _schur(self) -> tuple[np.ndarray, np.ndarray]:
        from scipy.linalg import schur

        real = np.isrealobj(self.matrix)
        found = schur(self.matrix, output="real" if real else "complex", check_finite=False)
        return found[0], found[1]

    @cached_property
    def eigenvalues(self) -> Complex[np.ndarray, " modes"]:
        """Of K: half the damping rates, and i times the frequencies relative to `frequency`."""
        triangle = self._schur[0]
        values = np.diagonal(triangle).astype(complex)
        if np.isrealobj(triangle):
            for k in np.flatnonzero(np.diagonal(triangle, -1)):
                values[k : k + 2] = np.linalg.eigvals(triangle[k : k + 2, k : k + 2])
        return values

    def check_damped(self) -> None:
        """Raises: ValueError if a normal mode is not damped, naming its frequency and its damping."""
        values = self.eigenvalues
        slowest = values[np.argmin(values.real)]
        if slowest.real <= len(values) * np.finfo(float).eps * np.abs(values).max():
            raise ValueError(
                f"rates: expected every normal mode to be damped, or there is no single steady state; the mode of "
                f"frequency {self.frequency + slowest.imag:.6g} has the eigenvalue {-slowest:.3g} relative to the "
                "median frequency. Give a bath to a site on which that mode lives."
            )

    def solve(self, source: Float[np.ndarray, " modes"]) -> Inexact[np.ndarray, "modes modes"]:
        """C with KC + CK† = diag(source), Hermitian, for K without undamped mode."""
        vectors = self._schur[1]
        turned = vectors @ self._inner(source) @ vectors.conj().T
        turned = (turned + turned.conj().T) / 2
        return turned if self.phases is None else turned * self.phases[:, None] * self.phases.conj()

    def solve_diagonal(self, source: Float[np.ndarray, " modes"]) -> Float[np.ndarray, " modes"]:
        """The diagonal of `solve(source)`, which no choice of phases changes."""
        vectors = self._schur[1]
        return np.sum((vectors @ self._inner(source)) * vectors.conj(), axis=1).real

    def _inner(self, source: np.ndarray) -> np.ndarray:
        """C between Schur vectors."""
        triangle, vectors = self._schur
        return _lyapunov(triangle, (vectors.conj().T * source) @ vectors)


def real_gauge(
    hamiltonian: Inexact[np.ndarray, "modes modes"],
) -> Complex[np.ndarray, " modes"] | None:
    r"""Phases $u_k$ that make $i\bar u_k H_{kl} u_l$ real for all k and l, or None if there are none.

    They are followed from neighbour to neighbour; a loop on which they do not close has none, nor has a frequency
    that differs from the rest.

    >>> import numpy as np
    >>> real_gauge(np.array([[0.0, 1.0], [1.0, 0.0]])) is None, real_gauge(np.array([[1.0, 1.0], [1.0, 0.0]])) is None
    (False, True)
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    phases = np.zeros(len(hamiltonian), complex)
    graph = csr_array(np.abs(hamiltonian))
    while not np.all(phases):
        start = int(np.argmin(np.abs(phases)))
        phases[start] = 1
        order, before = breadth_first_order(graph, start, directed=False)
        for site in order[1:]:
            link = 1j * hamiltonian[before[site], site]
            phases[site] = phases[before[site]] * abs(link) / link
    turned = 1j * hamiltonian * phases.conj()[:, None] * phases
    largest = np.abs(hamiltonian).max(initial=0.0)
    return phases if np.abs(turned.imag).max(initial=0.0) <= 8 * np.finfo(float).eps * largest else None


def _lyapunov(triangle: np.ndarray, source: np.ndarray) -> np.ndarray:
    """X with T X + X T† = F, T (quasi-)triangular, F Hermitian: by halves, so that the work is matrix products."""
    middle = _cut(triangle)
    if middle is None:
        return _sylvester(triangle, triangle, source)
    first, second, corner = triangle[:middle, :middle], triangle[middle:, middle:], triangle[:middle, middle:]
    lower = _lyapunov(second, source[middle:, middle:])
    upper = _sylvester(first, second, source[:middle, middle:] - corner @ lower)
    crossed = corner @ upper.conj().T
    left = _lyapunov(first, source[:middle, :middle] - crossed - crossed.conj().T)
    return np.block([[left, upper], [upper.conj().T, lower]])


def _sylvester(one: np.ndarray, other: np.ndarray, source: np.ndarray) -> np.ndarray:
    """X with A X + X B† = F, both (quasi-)triangular."""
    rows, columns = source.shape
    middle = _cut(one if rows >= columns else other)
    if middle is None:
        from scipy.linalg import get_lapack_funcs

        (solver,) = get_lapack_funcs(("trsyl",), (one, other, source))
        found, scale, _ = solver(one, other, source, trana="N", tranb="T" if np.isrealobj(one) else "C")
        return found / scale
    if rows >= columns:
        lower = _sylvester(one[middle:, middle:], other, source[middle:])
        upper = _sylvester(one[:middle, :middle], other, source[:middle] - one[:middle, middle:] @ lower)
        return np.concatenate([upper, lower])
    right = _sylvester(one, other[middle:, middle:], source[:, middle:])
    rest = source[:, :middle] - right @ other[:middle, middle:].conj().T
    return np.concatenate([_sylvester(one, other[:middle, :middle], rest), right], axis=1)


def _cut(triangle: np.ndarray) -> int | None:
    """Where to halve a (quasi-)triangular matrix without parting a 2 × 2 block; None if it is small."""
    size = len(triangle)
    if size <= _BLOCK:
        return None
    return size // 2 + int(triangle[size // 2, size // 2 - 1] != 0)


def propagate(
    matrix: Complex[np.ndarray, "modes modes"],
    source: Float[np.ndarray, " modes"],
    start: Complex[np.ndarray, "modes modes"],
    times: Float[np.ndarray, " times"],
) -> Complex[np.ndarray, "times modes modes"]:
    r"""C at all times with $\dot C=-KC-CK^\dagger+\mathrm{diag}(\text{source})$ and C = start at the first of them."""
    states, steps = [start], {}
    for length in np.diff(times):
        # Steps that differ by rounding of the times alone share one exponential.
        key = float(f"{length:.12e}")
        if key not in steps:
            steps[key] = _step(matrix, np.diag(source).astype(complex), key)
        carry, gain = steps[key]
        states.append(carry @ states[-1] @ carry.conj().T + gain)
    return np.stack(states)


def _step(matrix: np.ndarray, source: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    r"""$e^{-Kt}$ and $\int_0^te^{-Ks}Fe^{-K^\dagger s}ds$: Van Loan's exponential over a short time, then doubled.

    The exponential of the whole time would hold $e^{+K^\dagger t}$, which overflows.
    """
    from scipy.linalg import expm

    doublings = max(0, int(np.ceil(np.log2(max(np.linalg.norm(matrix, 1) * length, 1e-300)))) + 1)
    size, short = len(matrix), length / 2**doublings
    joint = expm(np.block([[-matrix, source], [np.zeros_like(matrix), matrix.conj().T]]) * short)
    carry = joint[:size, :size]
    gain = joint[:size, size:] @ carry.conj().T
    for _ in range(doublings):
        gain = gain + carry @ gain @ carry.conj().T
        carry = carry @ carry
    return carry, (gain + gain.conj().T) / 2
