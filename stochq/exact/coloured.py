"""What is known exactly about noise with a spectrum: everything where it commutes with the Hamiltonian."""

from collections.abc import Iterator

import numpy as np

from stochq.equation import Equation
from stochq.exact.parts import ExactPart
from stochq.noise import Coloured


def refuse_coloured(equation: Equation, parts: list[ExactPart], method: str) -> None:
    """ValueError for an equation with coloured noise, unless all its terms are diagonal in one basis."""
    chosen = method not in ("auto", "closed-form")
    if not isinstance(equation.colour, Coloured) or len(parts) != 1 or chosen:
        auto = ' For commuting operators use method="auto".' if chosen else ""
        raise ValueError(
            "equation: expected white noise, or coloured unitary noise whose operators commute with the Hamiltonian; "
            "other coloured noise has no Lindblad equation to solve. Compare with a second run at another dt, or with "
            f"perturbation theory.{auto}"
        )


def evolve_coloured(part: ExactPart, colour: Coloured, rho: np.ndarray, times: np.ndarray) -> Iterator[np.ndarray]:
    r"""$\rho_{ab}\,e^{-i(E_a-E_b)t/\hbar-\Gamma_{ab}\,\mathrm{spread}(t)}$: the phases are Gaussian at every time."""
    rotated = part.basis.to_basis(rho)
    for elapsed in times - times[0]:
        factors = 1.0 if part.decay is None else np.exp(-part.decay * float(colour.spread(elapsed)))
        phases = 1.0
        if part.frequencies is not None:
            phase = np.exp(-1j * elapsed * part.frequencies)
            phases = phase[:, None] * phase.conj()[None, :]
        yield part.basis.from_basis(factors * phases * rotated)
