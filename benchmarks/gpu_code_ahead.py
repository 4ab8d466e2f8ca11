"""Programs compiled for an H100 on a machine without one, by the CUDA wheels where these are installed."""

import os
import time
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# What has to be installed: XLA's compiler for CUDA, NVIDIA's assembler, disassembler and device library, and what JAX's
# compiler of kernels imports.
WHEELS = ("jax-cuda13-plugin", "jax-cuda13-pjrt", "nvidia-cuda-nvcc", "nvidia-cuda-nvdisasm", "nvidia-nvvm", "absl-py")
TARGET = "sm_90a"
# The environment variable by which Mosaic leaves the assembly of its kernels, and what the assembler says of them.
MOSAIC_FOLDER = "MOSAIC_GPU_DUMP_TO"
# What XLA asks a card for, of an H100 with 80 GB (NVIDIA's data sheet).
H100 = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  driver_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
runtime_version { major: 13 minor: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def wheels() -> dict[str, str | None]:
    """The versions of what has to be installed; None where it is not."""
    found: dict[str, str | None] = {}
    for name in WHEELS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def toolkit() -> Path:
    """The folder with bin/ptxas and nvvm/libdevice of the wheels."""
    spec = find_spec("nvidia.cu13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nvidia.cu13: expected the folder of nvidia-cuda-nvcc; not installed.")
    return Path(spec.submodule_search_locations[0])


def environment(scratch: Path) -> dict[str, str]:
    """What a process that compiles for the card is started with; it computes on the processor.

    scratch: a folder, in which Mosaic leaves its kernels.
    """
    cuda = str(toolkit())
    # Nothing is timed on a card that is not there, and the assembler is the wheel's own.
    flags = {"cuda_data_dir": cuda, "enable_libnvptxcompiler": "false", "enable_libnvjitlink": "false"}
    flags["autotune_level"] = "0"
    asked = [f"--xla_gpu_{name}={value}" for name, value in flags.items()]
    return {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": " ".join([os.environ.get("XLA_FLAGS", ""), *asked]).strip(),
        "CUDA_ROOT": cuda,
        MOSAIC_FOLDER: str(scratch),
        "PATH": os.pathsep.join([f"{cuda}/bin", os.environ.get("PATH", "")]),
    }


class Compiled(NamedTuple):
    """text: the program as the card runs it. temporary: bytes beside arguments and results. seconds: to compile."""

    text: str
    temporary: int
    seconds: float


def compile_for_h100(function: Callable[..., Any], *arguments: Any, options: dict[str, Any] | None = None) -> Compiled:
    """`function(*arguments)`, trees of arrays, whose values do not matter. options: of XLA's, by name."""
    import jax
    from jax.experimental import topologies

    card = topologies.get_topology_desc(platform="cuda", target_config=H100, topology="1x1x1").devices[0]
    there = jax.sharding.SingleDeviceSharding(card)

    def shaped(array: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(np.shape(array), jax.numpy.result_type(array), sharding=there)

    start = time.perf_counter()
    traced = jax.jit(function).trace(*jax.tree.map(shaped, arguments))
    program = traced.lower(lowering_platforms=("cuda",)).compile(options or None)
    seconds = time.perf_counter() - start
    memory: Any = program.memory_analysis()
    return Compiled(program.as_text() or "", memory.temp_size_in_bytes, seconds)
