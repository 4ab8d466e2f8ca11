"""`stochq devices`: what there is to compute with."""

import importlib.metadata
import os
import platform
from typing import Any

from stochq.accelerators import host_memory

LIBRARIES = ("stochq", "jax", "jaxlib", "equinox", "optax", "diffrax", "numpy", "scipy", "xarray", "h5netcdf")


def print_devices() -> None:
    """Print the backend, its devices and their memory, the cores and the versions of the libraries."""
    import jax
    from rich.console import Console
    from rich.table import Table

    from stochq.ensemble.runner import usable_cores

    console = Console()
    table = Table(title=f"JAX backend: {jax.default_backend()}")
    for heading in ("device", "kind", "memory"):
        table.add_column(heading)
    for device in jax.devices():
        table.add_row(str(device), device.device_kind, _device_memory(device))
    console.print(table)
    console.print(f"cores: {usable_cores()} of {os.cpu_count()}   memory: {_host_memory()}", highlight=False)
    console.print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}", highlight=False)
    console.print(", ".join(f"{name}\N{NO-BREAK SPACE}{_version(name)}" for name in LIBRARIES), highlight=False)


def _device_memory(device: Any) -> str:
    statistics = device.memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return "the host's" if limit is None else f"{limit / 2**30:.1f} GiB"


def _host_memory() -> str:
    size = host_memory()
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
