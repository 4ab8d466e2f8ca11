"""How a noise with memory weakens what it does within a time t to something that moves slowly."""

import numpy as np

from stochq.bounds.spectra import Spectrum, evaluate

PERIODS = 200


def remembered(spectrum: Spectrum, time: float, power: int) -> float:
    r"""The mean of the spectrum over the frequencies that the response to the noise holds, 1 for white noise:

    $$\frac{\int_0^\infty d\omega\,s(\omega)|h(\omega)|^2}{\int_0^\infty d\omega\,|h(\omega)|^2},\qquad
    h(\omega)=\int_0^t(t-t')^p\,e^{i\omega t'}dt'$$

    p = 0: momentum or phase after a time t; p = 1: position. Raises: ValueError for a negative spectrum.

    >>> bool(abs(remembered(lambda frequency: 1.0 + 0 * frequency, 2.0, 1) - 1) < 1e-3)
    True
    """
    import jax

    nodes, weights = np.polynomial.legendre.leggauss(12)
    low = np.exp(np.arange(-30.0, 1.0))
    edges = np.concatenate([[0.0], low, np.arange(2.0, 2 * PERIODS) * np.pi / 2])
    widths = np.diff(edges)[:, None]
    u = (edges[:-1, None] + widths * (nodes + 1) / 2).ravel()
    measure = (widths * weights / 2).ravel() * _response(u, power)
    # Beyond, the oscillations average out, and a multiple of 1/u² is left of them: e-folds of it.
    tail = edges[-1] * np.exp(np.arange(30)[:, None] + (nodes + 1) / 2).ravel()
    tail_measure = np.tile(weights / 2, 30) * (2.0 if power == 0 else 1.0) / tail
    with jax.enable_x64(True):
        inner, outer = (np.asarray(evaluate(spectrum, part / time)) for part in (u, tail))
    total = np.sum(measure) + np.sum(tail_measure)
    return float((np.sum(measure * inner) + np.sum(tail_measure * outer)) / total)


def _response(u: np.ndarray, power: int) -> np.ndarray:
    """|h|² of u = ωt, in units of t^(2p+2)."""
    if power == 0:
        return np.sinc(u / (2 * np.pi)) ** 2
    small = np.minimum(u, 0.05)
    # (1 - cos u)² + (u - sin u)², over u⁴
    series = 0.25 - small**2 / 72
    large = np.maximum(u, 0.05)
    closed = ((1 - np.cos(large)) ** 2 + (large - np.sin(large)) ** 2) / large**4
    return np.where(u < 0.05, series, closed)
