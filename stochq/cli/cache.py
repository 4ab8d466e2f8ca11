"""The command line keeps compiled programs from one call to the next, by JAX's persistent compilation cache."""

import hashlib
import os
import platform
import sys
from pathlib import Path

# Set to 0, no compiled programs are kept.
SWITCH = "STOCHQ_COMPILATION_CACHE"
# Programs that took at least so many seconds to compile are kept.
MIN_SECONDS = 0.05


def keep_compiled_programs() -> None:
    """Let JAX keep compiled programs in the user's cache folder, unless the user's own settings say where or not to."""
    if os.environ.get(SWITCH, "1").lower() in ("0", "off", "false", "no") or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = user_cache_folder() / "stochq" / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a user without a home
        return
    if not os.access(folder, os.W_OK):
        return
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_SECONDS)


def user_cache_folder() -> Path:
    """Where this system keeps what its user's programs can make again."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ".cache"


def _processor() -> str:
    """The kind of processor: machines that share a home folder must not run each other's machine code."""
    kind = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    kind += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(kind.encode()).hexdigest()[:16]
