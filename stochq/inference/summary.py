"""What is printed of states that records imply."""

from collections.abc import Mapping

import numpy as np

from stochq.real_parts import in_rows


def summary(kind: str, times: np.ndarray, mean: Mapping[str, np.ndarray], notes: str = "") -> list[str]:
    """A line for what it is, and one for each observable: its conditional mean over all records, at both ends.

    mean: {name: (record, T)}.
    """
    rows = in_rows(mean)
    records = len(next(iter(rows.values())))
    count = "1 record" if records == 1 else f"{records} records"
    many = "" if records == 1 else "; means and spreads over the records"
    lines = [f"{kind}: {count}, {len(times)} times in [{times[0]:g}, {times[-1]:g}]{notes}{many}"]
    return lines + [f"  {row}: {_told(values[:, 0])}  →  {_told(values[:, -1])}" for row, values in rows.items()]


def _told(values: np.ndarray) -> str:
    spread = f", spread {np.std(values):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.5g}{spread}"
