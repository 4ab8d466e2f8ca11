"""The stochastic calls of QuTiP's tutorials 015, 016 and 022 at smaller sizes, and what is drawn of their results."""

import numpy as np
import pytest

qutip = pytest.importorskip("qutip")
plt = pytest.importorskip("matplotlib.pyplot")

from stochq.qutip import mcsolve, smesolve  # noqa: E402

LEVELS, ATTEMPTS = 8, 12
A = qutip.destroy(LEVELS)
X, Y = A + A.dag(), -1j * (A - A.dag())


@pytest.fixture(autouse=True)
def figures():
    yield
    plt.close("all")


def drawn_beside(result, reference):
    """QuTiP's own picture of both."""
    figure, axes = qutip.plot_expectation_values([result, reference])
    assert [len(each.lines) for each in axes] == [2] * len(axes)
    figure.canvas.draw()


@pytest.mark.parametrize("dt", [0.0125, pytest.param(None, marks=pytest.mark.release)])
@pytest.mark.long
def test_015_heterodyne_detection_of_a_driven_cavity(dt):
    """Currents ⟨√γ x⟩ and ⟨√γ y⟩, each with noise of √2; and Euler steps that are too long for QuTiP.

    The coherent state is cut short, and not normalised.
    """
    gamma, times = 0.25, np.linspace(0, 2, 41)
    hamiltonian, leak = 2 * np.pi * A.dag() * A + 0.2 * np.pi * X, np.sqrt(gamma) * A
    start, seen = qutip.coherent(LEVELS, 1.0, method="analytic"), [A.dag() * A, X, Y]
    reference = qutip.mesolve(hamiltonian, start, times, [leak], e_ops=seen)
    options = {"store_measurement": True, "store_states": True, "map": "parallel"} | ({"dt": dt} if dt else {})
    detected = {"sc_ops": [leak], "heterodyne": True, "e_ops": seen, "ntraj": ATTEMPTS}
    with pytest.warns(UserWarning, match=r"^rho0: expected a normalised state; got one with the norm 0\.99999"):
        result = smesolve(hamiltonian, start, times, **detected, options=options)
    drawn_beside(result, reference)
    figure, axes = plt.subplots()
    for current in result.measurement:
        axes.plot(times[1:], current[0, 0, :].real, "b", alpha=0.05)
        axes.plot(times[1:], current[0, 1, :].real, "r", alpha=0.05)
    mean = np.mean(result.measurement, axis=0)
    axes.plot(times[1:], mean[0, 0, :].real, "k")
    figure.canvas.draw()
    # 40 intervals of length .05: the mean over all of them has noise of √2/√(2 · 12).
    error = np.sqrt(2 / (2 * ATTEMPTS))
    for place in (0, 1):
        expected = np.sqrt(gamma) * reference.expect[1 + place][1:].mean()
        assert abs(mean[0, place].mean() - expected) < 5 * error

    result = smesolve(hamiltonian, start.unit(), times, **detected, options=options | {"method": "euler", "dt": 0.1})
    assert [each.shape for each in result.expect] == [(41,)] * 3
    assert result.states[-1].full().shape == (LEVELS, LEVELS)
    assert np.linalg.eigvalsh(result.states[10].full()).min() > -1e-6


@pytest.mark.parametrize("efficiency", [0.7, 0.1])
def test_016_photons_that_are_counted_in_part(efficiency):
    """Those that are not counted are in a Liouvillian."""
    rate, times = 0.1, np.linspace(0, 15, 31)
    hamiltonian, interval = np.pi * A.dag() * A, times[1] - times[0]
    lost, counted = [np.sqrt(1 - efficiency) * np.sqrt(rate) * A], [np.sqrt(efficiency) * np.sqrt(rate) * A]
    start, seen = qutip.fock(LEVELS, 5), [A.dag() * A, X]
    reference = qutip.mesolve(hamiltonian, start, times, lost + counted, e_ops=seen)
    for attempts in (1, 10):
        result = mcsolve(qutip.liouvillian(hamiltonian, lost), start, times, counted, e_ops=seen, ntraj=attempts)
        assert np.array(result.runs_photocurrent).dtype == float
        figure, axes = plt.subplots(2, 1)
        axes[0].plot(times, result.expect[0])
        axes[0].plot(times, reference.expect[0])
        photons = interval * np.cumsum(result.photocurrent[0])
        axes[1].step(times[1:], photons)
        figure.canvas.draw()
        assert photons[-1] * attempts == pytest.approx(sum(map(len, result.col_times)))


@pytest.mark.parametrize("efficiency", [0.95, pytest.param(1.0, marks=pytest.mark.release)])
@pytest.mark.long
def test_016_and_022_homodyne_detection(efficiency):
    """With and without loss, in QuTiP's method that has no equal here: the step is what counts."""
    rate, times = 1.0, np.arange(0, 1, 0.05)
    hamiltonian, start = 10 * np.pi * A.dag() * A, qutip.coherent(LEVELS, 1.0)
    lost = [np.sqrt(1 - efficiency) * np.sqrt(rate) * A] if efficiency < 1 else []
    watched = [np.sqrt(efficiency) * np.sqrt(rate) * A]
    reference = qutip.mesolve(hamiltonian, start, times, lost + watched, e_ops=[X])
    options = {"method": "platen", "dt": 0.0125, "store_measurement": True, "map": "parallel"}
    run = {"c_ops": lost, "sc_ops": watched, "e_ops": [X], "ntraj": 100, "options": options}
    result = smesolve(hamiltonian, start, times, **run)
    drawn_beside(result, reference)
    current = np.array(result.measurement).mean(axis=0)[0, :].real
    plt.plot(times[1:], current)
    # Coherent states stay coherent, and their mean does not depend on the record.
    np.testing.assert_allclose(result.expect[0], reference.expect[0], atol=0.1)
