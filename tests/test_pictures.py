"""Pictures of states hold the right numbers, refuse other systems in one sentence, and notebooks show them."""

import base64
import re
import subprocess
import sys

import numpy as np
import pytest
from mpl_toolkits.mplot3d.art3d import Path3DCollection

import stochq as sq
from stochq.ensemble.result import EnsembleResult
from stochq.plotting import phase_space
from stochq.plotting.notebook import Picture, as_html
from stochq.plotting.phase_space import ellipse
from stochq.plotting.qutip_pictures import bloch_vectors

TIMES = np.array([0.0, 0.5, 1.0])


def made(kept=None, density=None, **other):
    """A run that kept these states (trajectory, T, dim)."""
    settings = dict(
        times=TIMES, mean={}, stderr={}, variance={}, trajectories=2, failed=0, seed=0, scheme="Strang", dt=0.5,
        precision="single", fingerprint={}, ranges=[(0, 0, 2)], kept=kept, density=density,
    )  # fmt: skip
    return EnsembleResult(**settings | other)


def coherent(alpha, levels=30):
    number = np.arange(levels)
    factorials = np.cumprod(np.maximum(number, 1.0))
    return np.exp(-0.5 * abs(alpha) ** 2) * alpha**number / np.sqrt(factorials)


def drawn(figure):
    """The numbers of a map."""
    (mesh,) = [each for each in figure.axes[0].collections if hasattr(each, "get_coordinates")]
    return np.asarray(mesh.get_array()), mesh


QUBIT = np.array([[[1, 0], [np.sqrt(0.5), np.sqrt(0.5)], [np.sqrt(0.5), 1j * np.sqrt(0.5)]], [[1, 0]] * 3])
CHAIN = np.zeros((1, 3, 4))
CHAIN[0, 0, 0] = CHAIN[0, 1, 1] = CHAIN[0, 2, 3] = 1


def test_populations_are_those_of_one_trajectory_or_the_mean():
    values, _ = drawn(sq.plotting.populations(made(QUBIT), trajectory=0))
    np.testing.assert_allclose(values, [[1, 0.5, 0.5], [0, 0.5, 0.5]])
    values, _ = drawn(sq.plotting.populations(made(QUBIT)))
    np.testing.assert_allclose(values, [[1, 0.75, 0.75], [0, 0.25, 0.25]])
    density = np.broadcast_to(np.diag([0.2, 0.8]), (3, 2, 2))
    values, _ = drawn(sq.plotting.populations(made(QUBIT, density)))
    np.testing.assert_allclose(values, [[0.2] * 3, [0.8] * 3])
    conditional = np.broadcast_to(np.diag([0.3, 0.7]), (1, 3, 2, 2))
    values, _ = drawn(sq.plotting.populations(made(conditional)))
    np.testing.assert_allclose(values, [[0.3] * 3, [0.7] * 3])


def test_residuals_leave_out_points_that_differ_by_rounding_alone():
    mean, error = {"p": np.array([0.36, 0.3, 0.2])}, {"p": np.array([1e-9, 0.01, 2e-6])}
    run = made(mean=mean, stderr=error, variance={"p": 2 * error["p"] ** 2})
    figure = run.plot({"p": np.array([0.36 + 2e-9, 0.28, 0.2])}, residuals=True)
    (z,) = [line.get_ydata() for line in figure.axes[1].lines]
    np.testing.assert_allclose(z, [np.nan, 2, 0], atol=1e-9)


def test_ends_of_paths_on_the_bloch_sphere_have_one_marker():
    drawn = sq.plotting.bloch(made(QUBIT)).axes[0].collections
    ends = [each for each in drawn if isinstance(each, Path3DCollection)]
    assert len(ends) == 3 and len({each.get_paths()[0].vertices.tobytes() for each in ends}) == 1


def test_bars_are_of_the_nearest_time():
    figure = sq.plotting.populations(made(QUBIT), trajectory=0, time=0.9)
    assert figure.axes[0].get_title() == "$t$ = 1"
    assert [bar.get_height() for bar in figure.axes[0].patches] == pytest.approx([0.5, 0.5])


def test_spins_are_the_bits_of_the_levels():
    values, mesh = drawn(sq.plotting.spins(made(CHAIN)))
    np.testing.assert_array_equal(values, [[1, -1, -1], [1, 1, -1]])
    assert mesh.get_clim() == (-1, 1)


def test_cells_lie_around_their_times_and_places():
    spin = sq.plotting.spins(made(QUBIT))
    _, mesh = drawn(spin)
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [-0.25, 0.25, 0.75, 1.25])
    np.testing.assert_allclose(mesh.get_coordinates()[:, 0, 1], [-0.5, 0.5])
    _, mesh = drawn(sq.plotting.populations(made(QUBIT[:, :1], times=TIMES[:1])))  # one time
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [-0.5, 0.5])
    bars = sq.plotting.populations(made(QUBIT), time=0.0)
    ticks = [*bars.axes[0].get_xticks(), *spin.axes[0].get_yticks()]
    assert all(place == round(place) for place in ticks)


def test_position_is_a_density():
    particle = sq.systems.particle(64, 12.0, 1.0)
    x = np.asarray(particle.coordinates[0])
    psi = np.exp(-((x - 1.5) ** 2) / (4 * 0.6**2)).astype(complex)
    psi /= np.linalg.norm(psi)
    figure = sq.plotting.position(made(np.broadcast_to(psi, (1, 3, 64))), particle, time=0.5)
    (line,) = figure.axes[0].lines
    wanted = np.exp(-((x - 1.5) ** 2) / (2 * 0.6**2)) / (0.6 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(line.get_ydata(), wanted, atol=1e-6)


def test_position_in_two_dimensions_keeps_its_axes():
    particle = sq.systems.particle(8, 8.0, 1.0, dimensions=2)
    psi = np.zeros(64)
    x, y = (np.asarray(each) for each in particle.coordinates)
    psi[np.flatnonzero((x == 2) & (y == -1))] = 1
    values, mesh = drawn(sq.plotting.position(made(np.broadcast_to(psi, (1, 3, 64))), particle))
    row, column = np.unravel_index(values.argmax(), values.shape)
    corners = mesh.get_coordinates()
    centre = corners[row : row + 2, column : column + 2].mean(axis=(0, 1))
    np.testing.assert_allclose(centre, [2, -1])
    assert values.max() == pytest.approx(1.0)


def test_bloch_vectors_are_the_means_of_the_pauli_matrices():
    states = QUBIT[0]
    paulis = [np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    wanted = [[np.vdot(psi, pauli @ psi).real for pauli in paulis] for psi in states]
    np.testing.assert_allclose(bloch_vectors(np.einsum("ti,tj->tij", states, states.conj())), wanted, atol=1e-15)
    assert sq.plotting.bloch(made(QUBIT)).axes


def test_the_wigner_function_of_a_coherent_state():
    states = np.stack([coherent(0.0), coherent(1 + 0.5j), coherent(1 + 0.5j)])[None]
    figure = sq.plotting.wigner(made(states), 30)
    values, mesh = drawn(figure)
    corners = mesh.get_coordinates()
    q, p = np.moveaxis(corners[:-1, :-1] if corners.shape[0] > values.shape[0] else corners, -1, 0)
    step = (corners[0, 1] - corners[0, 0])[0]
    q, p = (q + step / 2, p + step / 2) if corners.shape[0] > values.shape[0] else (q, p)
    assert values.sum() * step**2 == pytest.approx(1.0, abs=1e-3)
    assert (values * q).sum() * step**2 == pytest.approx(np.sqrt(2), abs=2e-3)
    assert (values * p).sum() * step**2 == pytest.approx(np.sqrt(0.5), abs=2e-3)
    assert values.max() == pytest.approx(1 / np.pi, rel=2e-2)


def test_an_ellipse_is_one_standard_deviation_away():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    points = ellipse(np.array([1.0, -1.0]), covariance) - [1.0, -1.0]
    distance = np.einsum("ni,ij,nj->n", points, np.linalg.inv(covariance), points)
    np.testing.assert_allclose(distance, 1.0)
    assert len(phase_space(sq.gaussian.State([1.0, -1.0], covariance)).axes[0].lines) == 2


WRONG = {
    "result: expected kept states": lambda: sq.plotting.populations(made()),
    "trajectory: expected one of the 2": lambda: sq.plotting.populations(made(QUBIT), trajectory=2),
    "time: expected one from 0 to 1": lambda: sq.plotting.populations(made(QUBIT), time=3.0),
    "result: the Bloch sphere": lambda: sq.plotting.bloch(made(CHAIN)),
    "result: expected the 2": lambda: sq.plotting.spins(made(np.ones((1, 3, 3)))),
    "oscillator: expected": lambda: sq.plotting.wigner(made(QUBIT), sq.systems.levels([0.0, 1.0])),
    "particle: expected": lambda: sq.plotting.position(made(QUBIT), sq.systems.levels([0.0, 1.0])),
    "mode: expected": lambda: phase_space(sq.gaussian.vacuum(1), mode=1),
    "draw: expected": lambda: sq.plotting.animate("populations", made(QUBIT)),
    "times: expected": lambda: sq.plotting.animate(sq.plotting.populations, made(QUBIT), times=[]),
    "seconds: expected": lambda: sq.plotting.animate(sq.plotting.populations, made(QUBIT), seconds=0),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_drawn_is_said(message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        WRONG[message]()


def test_an_animation_has_a_frame_for_each_time(tmp_path):
    from PIL import Image

    path = tmp_path / "film.gif"
    sq.plotting.animate(sq.plotting.populations, made(QUBIT), trajectory=0).save(path, writer="pillow")
    with Image.open(path) as film:
        assert film.n_frames == len(TIMES)


def test_results_show_themselves_in_notebooks():
    curve = {"x": np.exp(-TIMES)}
    flat = {"x": np.full(3, 0.1)}
    result = made(mean=curve, stderr=flat, variance=flat)
    exact = sq.exact.ExactResult(TIMES, curve, None, "closed-form", 0.0, 0.0)
    for shown in (result, exact):
        text = shown._repr_html_()
        assert text.startswith("<details>") and base64.b64decode(re.search(r'base64,([^"]+)"', text)[1])[1:4] == b"PNG"
    equation = sq.models.suv(sq.systems.levels([0.0, 1.0]), strength=1.0)
    assert r"$$d\psi" in equation._repr_html_() and "SUV" not in equation._repr_html_()
    assert "&lt;b&gt;" in as_html("a\n<b>") and isinstance(result.plot(), Picture)
    assert result.plot()._repr_png_()[1:4] == b"PNG"
    with pytest.raises(ValueError, match="names: expected"):
        exact.plot("y")


def test_pictures_are_imported_when_they_are_asked_for():
    code = "import sys, stochq; print('matplotlib' in sys.modules, 'plotting' in dir(stochq)); stochq.plotting.style"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
