"""Where and with what a measurement was made."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

PACKAGES = ("jax", "jaxlib", "numpy", "dynamiqs", "qutip")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of all that is compared; "not installed" where it is not."""
    import stochq

    found = {"python": platform.python_version(), "stochq": stochq.__version__}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def describe() -> dict[str, Any]:
    """Versions, processor, cores, load, date: what a figure is worth nothing without."""
    return {
        "versions": versions(),
        "cpu": cpu_name(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
