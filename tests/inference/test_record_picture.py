"""What is drawn beside the mean of records: the mean record of a decaying atom, in closed form."""

import numpy as np

import stochq as sq
from stochq.inference.record_picture import mean_record

LOWERING = np.array([[0.0, 0.0], [1.0, 0.0]])
TIMES = np.array([0.0, 0.1, 0.3, 0.4])


def test_means_of_all_kinds_of_records_over_their_bins():
    """⟨σ_x⟩ = e^{−t/2} and an excited population of e^{−t}/2, of three tenths, three tenths and four tenths of it."""
    atom = sq.models.monitored(
        np.zeros((2, 2)),
        {
            "x": sq.measurement.homodyne(np.sqrt(0.3) * LOWERING, efficiency=0.5, gain=2.0, offset=0.1),
            "z": sq.measurement.heterodyne(np.sqrt(0.3) * LOWERING, offset=0.2),
            "c": sq.measurement.counting(np.sqrt(0.4) * LOWERING, efficiency=0.25, dark=0.7),
        },
    )
    columns, kinds = ["x", "z", "c"], ["homodyne", "heterodyne", "counting"]
    record = sq.inference.Record(TIMES, np.zeros((1, 3, 4)), columns, kinds)
    found = mean_record(atom, np.sqrt([0.5, 0.5]), record)
    widths = np.diff(TIMES)
    coherence = -np.diff(2 * np.exp(-TIMES / 2)) / widths
    photons = -np.diff(np.exp(-TIMES)) / 2
    expected = [
        2 * np.sqrt(0.5 * 0.3) * coherence + 0.1,
        np.sqrt(0.3 / 2) * coherence + np.sqrt(2) * 0.2,
        np.zeros(3),
        0.25 * 0.4 * photons + 0.7 * widths,
    ]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-8)
