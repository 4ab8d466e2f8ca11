"""Detailed balance of Gaussian steady states."""

from dataclasses import dataclass

import numpy as np

from stochq.gaussian.phase_space import Array, array_namespace, irreversible, reversed_in_time

# Relative violations below this are rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class DetailedBalance:
    r"""The two conditions of micro-reversibility at a steady state V_S, as relative violations; truthy if both hold.

    current: of $B=-2A^IV_S$: no irreversible current flows (`brownian-balance` eq. 2, first line).
    diffusion: of $\mathcal EB\mathcal E=B$: no reversible diffusion (second line).
    kms: of $V_SA^T=\mathcal EA\mathcal EV_S$: the drift is its own time-reversed dual with respect to V_S. At a steady
    state this is the KMS form $B=-2A_{irr}V_S$ of appendix D, which knows nothing of the second condition.
    """

    current: Array
    diffusion: Array
    kms: Array

    @property
    def no_current(self) -> bool:
        """Whether the first condition holds."""
        return bool(self.current < _ROUNDING)

    @property
    def no_reversible_diffusion(self) -> bool:
        """Whether the second condition holds."""
        return bool(self.diffusion < _ROUNDING)

    @property
    def holds_kms(self) -> bool:
        """Whether the KMS form holds."""
        return bool(self.kms < _ROUNDING)

    def __bool__(self) -> bool:
        return self.no_current and self.no_reversible_diffusion

    def __str__(self) -> str:
        verdict = "holds" if self else "is broken"
        return (
            f"detailed balance {verdict}: irreversible current {float(self.current):.3g}, reversible diffusion "
            f"{float(self.diffusion):.3g}, KMS {float(self.kms):.3g} (relative violations)"
        )


def balance_of(drift: Array, diffusion: Array, covariance: Array) -> DetailedBalance:
    """The conditions at a steady covariance (2n, 2n), each relative to its largest term, coordinate by coordinate."""
    numbers = array_namespace(drift, diffusion, covariance)
    width = numbers.sqrt(numbers.diag(covariance))

    def largest(matrix: Array) -> Array:
        # In units of the widths: positions and momenta have no common unit.
        return numbers.abs(matrix / (width[:, None] * width[None, :])).max()

    flow = drift @ covariance
    size = largest(flow) + 0.5 * largest(diffusion) + np.finfo(np.float64).tiny
    current = largest(diffusion + 2 * irreversible(drift) @ covariance) / (2 * size)
    kms = largest(flow.T - reversed_in_time(drift) @ covariance) / (2 * size)
    odd = largest(diffusion - reversed_in_time(diffusion))
    return DetailedBalance(current, odd / (largest(diffusion) + np.finfo(np.float64).tiny), kms)
