"""The timed problems as stochq states them. stochq is imported when asked for: the parent process stays small."""

from typing import Any

import numpy as np

from benchmarks import statements as given


def suv(dim: int) -> Any:
    """Collapse to levels that hop."""
    import stochq as sq

    return sq.models.suv(sq.systems.levels(given.hopping(dim)), strength=given.SUV_STRENGTH)


def tunnelling(dim: int) -> Any:
    """Collapse to levels between which a localized state tunnels."""
    import stochq as sq

    return sq.models.suv(sq.systems.levels(given.TUNNELLING * given.hopping(dim)), strength=given.SUV_STRENGTH)


def homodyne() -> Any:
    """A driven qubit whose light is watched."""
    import stochq as sq

    lower = np.sqrt(given.DECAY) * given.unit(2, 1, 0)
    return sq.models.unravel(sq.systems.levels(given.rabi()), [lower])


def oqt(dim: int) -> Any:
    """Thermalization in the energy basis."""
    import stochq as sq

    energies, weights = given.spectrum(dim)
    return sq.models.oqt(sq.systems.levels(energies), strength=given.OQT_STRENGTH, equilibrium=weights)


def sui(sites: int) -> Any:
    """Reduction of every configuration and thermalization of a chain, in two bases."""
    import stochq as sq

    chain = sq.systems.ising(sites, given.SUI_COUPLING, given.SUI_TRANSVERSE, given.SUI_LONGITUDINAL)
    equilibrium = sq.canonical(chain, given.SUI_BETA)
    strength = given.SUI_STRENGTH
    return sq.models.sui(chain, reduction=strength, thermalization=strength, equilibrium=equilibrium)


def csl(points: int) -> Any:
    """A particle on a grid in a weak trap."""
    import stochq as sq

    trap = sq.systems.harmonic(given.CSL_TRAP)
    particle = sq.systems.particle(points, points * given.CSL_SPACING, mass=1.0, potential=trap)
    return sq.models.csl(particle, rate=given.CSL_RATE, length=given.CSL_LENGTH)


def kerr(cutoff: int) -> Any:
    """A driven Kerr cavity with photon loss."""
    import stochq as sq

    cavity = sq.systems.kerr(cutoff, detuning=0.0, kerr=given.KERR, drive=given.KERR_DRIVE)
    return sq.models.unravel(cavity, [np.sqrt(given.KERR_LOSS) * given.annihilation(cutoff)])
