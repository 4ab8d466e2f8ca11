"""Which processes were started together, by their environment."""

import sys
from types import ModuleType

import jax
import pytest

from stochq.hosts import launched
from stochq.hosts.launched import Launch, join_launched, launch

STEP = {"SLURM_JOB_ID": "17", "SLURM_STEP_NODELIST": "node[1-4]", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}
FOUR = STEP | {"SLURM_NTASKS": "4"}
OPEN = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911"}
INDEXED = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "2"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "17", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),  # a batch script
        (FOUR | {"SLURM_STEP_NUM_TASKS": "1"}, None),
        (FOUR, Launch("SLURM", 4, "slurm", False)),
        (FOUR | {"SLURM_STEP_TASKS_PER_NODE": "1(x4)"}, Launch("SLURM", 4, "slurm", True)),
        (FOUR | {"SLURM_STEP_TASKS_PER_NODE": "2,1(x2)"}, Launch("SLURM", 4, "slurm", False)),
        (OPEN | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, Launch("MPI", 4, "ompi", True)),
        (OPEN | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
        (INDEXED, None),
    ],
)
def test_launchers_are_known_by_their_variables(environment, expected):
    assert launch(environment) == expected


def test_mpi_that_jax_does_not_know_is_refused_without_mpi4py(monkeypatch):
    with pytest.raises(ValueError, match="^hosts: expected processes of Open MPI 4.*; MPI started 3 without.*--alone"):
        launch({"PMI_SIZE": "3", "PMI_RANK": "1"})
    monkeypatch.setattr(launched, "find_spec", lambda name: ModuleType(name))
    assert launch({"PMI_SIZE": "3", "PMI_RANK": "1"}) == Launch("MPI", 3, "mpi4py", False)
    assert launch(INDEXED) == Launch("Kubernetes", None, None, True)


@pytest.mark.parametrize(
    ("more", "cards"),
    [
        ({}, "2"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1(x4)"}, "all"),
        ({"CUDA_VISIBLE_DEVICES": "3"}, "all"),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, "2"),
        ({"CUDA_VISIBLE_DEVICES": "3", "JAX_LOCAL_DEVICE_IDS": "0"}, "2"),
    ],
)
def test_a_process_that_is_alone_on_its_machine_has_all_its_cards(monkeypatch, more, cards):
    chosen = {"jax_cuda_visible_devices": "2"}  # as JAX does for the third process of a machine
    asked = []
    monkeypatch.setattr(jax.config, "update", chosen.__setitem__)
    monkeypatch.setattr(launched, "join", lambda **options: asked.append(options))
    join_launched(FOUR | more)
    assert chosen["jax_cuda_visible_devices"] == cards and asked == [{"count": 4, "method": "slurm"}]


def test_a_process_alone_joins_nobody(monkeypatch):
    monkeypatch.setattr(launched, "join", None)
    assert join_launched({}) is None and "mpi4py" not in sys.modules
