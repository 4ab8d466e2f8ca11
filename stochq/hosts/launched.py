"""Whether SLURM, MPI or Kubernetes started this process as one of several, and joining the others."""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

import jax

from stochq.hosts.join import join
from stochq.hosts.messages import Hosts

_BY_HAND = (
    "Give --coordinator ADDRESS:PORT and --process I/N, or --alone for runs that have nothing to do with each other."
)


class Launch(NamedTuple):
    """Who started how many processes, how JAX finds out which this is, and whether it is alone on its machine."""

    launcher: str
    count: int | None
    method: str | None
    alone_on_machine: bool


def launch(environment: Mapping[str, str]) -> Launch | None:
    """As the environment tells; None for a process alone.

    Raises:
        ValueError: where there are several and JAX cannot tell which.
    """
    here = environment.get
    if "SLURM_STEP_NODELIST" in environment and "SLURM_PROCID" in environment:
        count = int(here("SLURM_STEP_NUM_TASKS") or here("SLURM_NTASKS") or 1)
        each = here("SLURM_STEP_TASKS_PER_NODE") or ""
        return Launch("SLURM", count, "slurm", bool(re.fullmatch(r"1(\(x\d+\))?", each))) if count > 1 else None
    if "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment:
        return Launch("Kubernetes", None, None, True) if find_spec("kubernetes") else None
    count = int(here("OMPI_COMM_WORLD_SIZE") or here("PMI_SIZE") or 1)
    if count == 1:
        return None
    if "OMPI_MCA_orte_hnp_uri" in environment:
        return Launch("MPI", count, "ompi", here("OMPI_COMM_WORLD_LOCAL_SIZE") == "1")
    if find_spec("mpi4py") is None:
        raise ValueError(
            f"hosts: expected processes of Open MPI 4, which JAX joins, or mpi4py, by which it joins those of others; "
            f"MPI started {count} without. Install it. {_BY_HAND}"
        )
    return Launch("MPI", count, "mpi4py", here("OMPI_COMM_WORLD_LOCAL_SIZE") == "1")


def join_launched(environment: Mapping[str, str] | None = None) -> Hosts | None:
    """Join the hosts that a launcher started with this one; None where it is alone.

    Raises:
        ValueError: as `launch`.
        RuntimeError: as `join`.
    """
    environment = os.environ if environment is None else environment
    found = launch(environment)
    if found is None:
        return None
    hosts = join(count=found.count, method=found.method)
    if "JAX_LOCAL_DEVICE_IDS" not in environment and (
        found.alone_on_machine or "," not in environment.get("CUDA_VISIBLE_DEVICES", ",")
    ):
        # JAX gives each process of a machine one card, the first to the first: not the right one where the process is
        # alone there, or was given a card of its own.
        jax.config.update("jax_cuda_visible_devices", "all")
        jax.config.update("jax_rocm_visible_devices", "all")
    return hosts
