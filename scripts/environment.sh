# Sourced by scripts/run and scripts/test: makes .venv in the repository once and installs the package into it.
# Nothing but Python 3.11 or newer is needed. Safe to repeat, also after an interrupted installation.

find_python() {
    # A command of that name may exist and not run, as version managers' stand-ins do: ask each one.
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    echo "stochq needs Python 3.11 or newer, and none of python3.13, python3.12, python3.11, python3 is one." >&2
    echo "Install it (https://www.python.org/downloads/) and run this script again." >&2
    return 1
}

usable_venv() {
    .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

make_venv() {
    python=$(find_python) || return 1
    echo "Making .venv with $("$python" --version 2>&1)"
    if ! "$python" -m venv --clear .venv; then
        echo "Making .venv failed. On Debian and Ubuntu the venv module is a package of its own: python3-venv." >&2
        return 1
    fi
}

# What an installation depends on: the requirements, the interpreter, and where the repository lies.
fingerprint() {
    .venv/bin/python - "$1" <<'PYTHON'
import hashlib, os, pathlib, sys
parts = (pathlib.Path("pyproject.toml").read_text(encoding="utf-8"), sys.version, os.getcwd(), sys.argv[1])
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PYTHON
}

# prepare [EXTRA]: install the package, with the dependencies of EXTRA if one is named, unless that was finished before.
# The stamp that says so is written last, so an interrupted installation is taken up again.
prepare() {
    usable_venv || make_venv || return 1
    target=".${1:+[$1]}"
    stamp=".venv/installed${1:+-$1}"
    wanted=$(fingerprint "$target") || return 1
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    echo "Installing stochq and what it needs into .venv (a few minutes the first time)"
    log=".venv/install.log"
    if ! .venv/bin/python -m pip install --disable-pip-version-check -e "$target" >"$log" 2>&1; then
        echo "Installation failed; the end of $log:" >&2
        tail -n 30 "$log" >&2
        return 1
    fi
    echo "$wanted" >"$stamp"
}

# Where compiled programs are kept between runs of the tests, by the kind of processor: machine code for one may not run
# on another. Programs of versions of the code that are long gone are dropped.
keep_programs() {
    processor=$({ uname -m; grep -m 1 -E "^(flags|Features)" /proc/cpuinfo 2>/dev/null || true; } | cksum | cut -d " " -f 1)
    export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$PWD/.cache/jax/$processor}"
    export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=0
    mkdir -p "$JAX_COMPILATION_CACHE_DIR"
    find "$JAX_COMPILATION_CACHE_DIR" -type f -mtime +14 -delete
}

# Programs of tests run for a moment. XLA's older emitters of machine code, without most optimisations, compile them in
# less than half the time; on one thread each, as there are as many processes as cores, with a tenth less work. Threads
# of BLAS, too, would wait for each other there. Where in the code an operation stands takes a twentieth of the time to
# write down, and nobody reads it.
compile_sooner() {
    export JAX_DISABLE_MOST_OPTIMIZATIONS=1 JAX_TRACEBACK_IN_LOCATIONS_LIMIT=0 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
    # A flag that XLA does not know ends the process: the older emitters are gone from JAX 0.11 on.
    for flag in --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1; do
        if XLA_FLAGS="$flag" .venv/bin/python -c "import jax; jax.devices()" >/dev/null 2>&1; then
            export XLA_FLAGS="${XLA_FLAGS:+$XLA_FLAGS }$flag"
        fi
    done
}
