"""Systems under continuous measurement: a Hamiltonian and detectors, each with a jump operator of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from stochq.arrays import Array, Number, OperatorLike, stacked
from stochq.channels import Channel, Features
from stochq.channels.families.structure import structured
from stochq.equation import Equation
from stochq.laws import law_of
from stochq.measurement import Detector, Line
from stochq.models.brownian import jump_operator
from stochq.operators import check_dims
from stochq.systems.hamiltonian import Hamiltonian
from stochq.systems.levels import as_hamiltonian


def monitored(
    hamiltonian: Hamiltonian | OperatorLike, detectors: Mapping[str, Detector], *, hbar: Number = 1.0
) -> Equation:
    r"""A system whose jump operators are watched by detectors.

    $$d\rho_c = -\tfrac i\hbar[H,\rho_c]dt + \sum_k\mathcal D[L_k]\rho_c\,dt
      + \sum_k\sqrt{\eta_k}\,(L_k\rho_c+\rho_cL_k^\dagger - \langle L_k+L_k^\dagger\rangle\rho_c)\,dW_k$$

    for homodyne detection of all (Wiseman and Milburn 2010, eq. 4.238). `sq.simulate(..., records=True)` returns what
    they write down; its states are those of one who loses nothing. `conditional=True` has the ρ_c of the records, as
    `sq.inference.filter` has.

    Args:
        hamiltonian: from `sq.systems`, or a Hermitian matrix (dim, dim).
        detectors: {name: detector}, from `sq.measurement`; kinds mix freely. `sq.measurement.unread(L)` for operators
            that nobody watches.
        hbar: ħ, in the units of the Hamiltonian times a time.

    Returns:
        The equation, whose `lines` say which operators write which record.

    Raises:
        ValueError: for no detectors, something else than a detector, and operators of another dimension.

    >>> import stochq as sq
    >>> lowering = [[0.0, 1.0], [0.0, 0.0]]
    >>> equation = monitored([[0.0, 1.5], [1.5, 0.0]], {"current": sq.measurement.homodyne(lowering, efficiency=0.8)})
    >>> [line.name for line in equation.lines], equation.watched_parts().lost.shape
    (['current'], (1, 2, 2))
    """
    hamiltonian = as_hamiltonian(hamiltonian)
    _check_detectors(detectors)
    watched = {law: _Grouped() for law in ("real", "complex", "jump")}
    lost = _Grouped()
    sources: dict[str, list[tuple[_Grouped, bool, int]]] = {}
    turning = {name: channel for name, each in detectors.items() if (channel := each.turning()) is not None}
    for name, detector in detectors.items():
        label = f"detectors[{name!r}]"
        check_dims(label, detector.dims, hamiltonian.dims)
        group = watched[detector.unravelling]
        sources[name] = [group.add(label, source, hamiltonian.dim) for source in detector.sources()]
        for operator in detector.lost():
            lost.add(label, operator, hamiltonian.dim)
    channels: list[Channel] = list(turning.values())
    for law, group in watched.items():
        group.append_to(channels, law)
    # Where all that is watched is counted, clicks that nobody sees need no time step either.
    lost.append_to(channels, "jump" if {channel.law.name for channel in channels} == {"jump"} else "real")
    found = {
        name: tuple((group.places[diagonal], index) for group, diagonal, index in at) for name, at in sources.items()
    }
    found |= {name: ((place, 0),) for place, name in enumerate(turning)}
    lines = [Line(name, at, number) for number, (name, at) in enumerate(found.items()) if at]
    return Equation(hamiltonian, channels, None, hbar, detectors=tuple(detectors.values()), lines=lines)


@dataclass
class _Grouped:
    """Operators under one law: real diagonals, which have the faster steps, and others.

    places: of the channel of the others (False) and of the diagonals (True) among all channels.
    """

    diagonals: list[Array] = field(default_factory=list)
    matrices: list[Array] = field(default_factory=list)
    places: dict[bool, int] = field(default_factory=dict)

    def add(self, name: str, operator: Array, dim: int) -> "tuple[_Grouped, bool, int]":
        """Where the operator will be found: the group, whether among its diagonals, and its place there."""
        one = cast(Array, jump_operator(name, operator, dim))
        kept = self.diagonals if one.ndim == 1 else self.matrices
        kept.append(one)
        return self, one.ndim == 1, len(kept) - 1

    def append_to(self, channels: list[Channel], law: str) -> None:
        """Put the operators at the end of the channels, and remember where."""
        if self.diagonals:
            self.places[True] = len(channels)
            channels.append(Features(stacked(self.diagonals)).with_law(law_of(law)))
        if self.matrices:
            self.places[False] = len(channels)
            channels.append(structured(stacked(self.matrices)).with_law(law_of(law)))


def _check_detectors(detectors: Mapping[str, Detector]) -> None:
    if not isinstance(detectors, Mapping) or not detectors:
        raise ValueError(
            "detectors: expected {name: detector} with at least one, such as {'current': sq.measurement.homodyne(L)}; "
            f"got {type(detectors).__name__} of length {len(detectors) if hasattr(detectors, '__len__') else 0}."
        )
    for name, detector in detectors.items():
        if not isinstance(name, str) or not name or ":" in name:
            raise ValueError(f"detectors: expected names that are words without a colon; got {name!r}.")
        if not isinstance(detector, Detector):
            raise ValueError(
                f"detectors[{name!r}]: expected one such as sq.measurement.homodyne(L); got "
                f"{type(detector).__name__}. Write sq.measurement.unread(L) for an operator that nobody watches."
            )
    if all(detector.kind is None for detector in detectors.values()):
        raise ValueError(
            "detectors: expected one that is read; all are unread. Use sq.models.unravel(hamiltonian, [L])."
        )
