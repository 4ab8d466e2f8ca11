"""Programs compiled ahead of time, of which so many are kept, and loops that a processor runs as one kernel."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from functools import wraps
from threading import Lock, Thread, current_thread, main_thread
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar, final
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from stochq.accelerators import on_accelerator
from stochq.aliases import Device
from stochq.events import note
from stochq.forks import check_not_forked

_Answer = TypeVar("_Answer")
# Rows from which a loop over them costs less than handing out the work.
MANY_ROWS = 8
# Programs that are kept. Each holds some 250 memory maps, of which Linux gives a process 65 530; XLA ends the process
# when there are none left.
MOST_PROGRAMS = 100


@final
class CompiledPrograms:
    """The programs that were used last, by what they were compiled for.

    most: how many are kept; what is needed again later is compiled again.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        # How many were built so far.
        self.built = 0
        self._programs: OrderedDict[Hashable, Future[jax.stages.Compiled]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._programs)

    def get(self, key: Hashable, build: Callable[[], jax.stages.Compiled]) -> jax.stages.Compiled:
        """The program of a key, built if there is none; of threads that ask for the same, one builds it."""
        with self._lock:
            program = self._programs.pop(key, None)
            is_new = program is None
            if program is None:
                program = Future()
            self._programs[key] = program
            while len(self._programs) > self.most:
                self._programs.popitem(last=False)
        if is_new:
            try:
                self.built += 1
                program.set_result(build())
            except BaseException as error:
                with self._lock:
                    self._programs.pop(key, None)
                program.set_exception(error)
        return program.result()

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._programs.clear()


PROGRAMS = CompiledPrograms(MOST_PROGRAMS)
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Memory(NamedTuple):
    """Bytes of the device: of what all calls of a program share, and of what each takes beside it."""

    shared: int
    each: int


# Of programs that were asked: it takes longer than a short run.
_MEMORY: "WeakKeyDictionary[jax.stages.Compiled, Memory]" = WeakKeyDictionary()


def _memory_of(program: jax.stages.Compiled) -> Memory:
    sizes = program.memory_analysis()
    if sizes is None:
        return Memory(0, 0)
    return Memory(sizes.argument_size_in_bytes, sizes.output_size_in_bytes + sizes.temp_size_in_bytes)


@final
class Program:
    """`function(tree, *arguments)`, compiled for all of the tree but the values of its arrays.

    Args:
        function: what is compiled; it returns a tree of arrays.
        tree: a pytree; what are no arrays in it are constants of the program, and have to be hashable.
        examples: arguments of the shapes and types of the later ones.
        device: which is to run it; None leaves it to JAX.
        options: of XLA's, by name.
        reads: what methods in the tree read from outside, as of `held_numbers`; another program for other numbers.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        tree: Any,
        *examples: Any,
        device: Device | None = None,
        options: Mapping[str, Any] = NO_OPTIONS,
        reads: Hashable = None,
    ) -> None:
        check_not_forked()
        run, numbers, constants = of_numbers(function, tree)
        self._numbers = jax.device_put(numbers, device)
        shapes = [(jax.typeof(array), array.sharding) for array in self._numbers if array is not None]
        config = jax.config
        settings = config.jax_enable_x64, config.jax_default_device, config.jax_default_matmul_precision
        types = [jax.typeof(example) for example in examples]
        made_for = on_accelerator(), tuple(sorted(options.items()))
        key = function, constants, tuple(shapes), tuple(types), settings, made_for, reads

        def build() -> jax.stages.Compiled:
            start, name = time.perf_counter(), function.__name__.strip("_")
            note(f"compiling {name}", "compiling", program=name)
            lowered = jax.jit(run).lower(self._numbers, *examples)
            program = interruptible(lambda: lowered.compile(dict(options) or None))
            seconds = time.perf_counter() - start
            note(f"compiled {name} in {seconds:.3g} s", "compiled", program=name, seconds=seconds)
            return program

        self._compiled = PROGRAMS.get(key, build)

    def __call__(self, *arguments: Any) -> Any:
        return self._compiled(self._numbers, *arguments)

    @property
    def memory(self) -> Memory:
        """What calls take; nothing where the compiler does not tell."""
        memory = _MEMORY.get(self._compiled)
        if memory is None:
            memory = _MEMORY[self._compiled] = _memory_of(self._compiled)
        return memory


def interruptible(function: Callable[[], _Answer]) -> _Answer:
    """function(), for whose end a Ctrl-C does not wait: where the main thread calls, another one does the work.

    What is to be done with settings of JAX for the calling thread is done before.
    """
    if current_thread() is not main_thread():
        return function()
    answer: Future[_Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=work).start()
    return answer.result()


def of_numbers(function: Callable[..., Any], tree: Any) -> tuple[Callable[..., Any], list[Any], Hashable]:
    """`function(tree, *arguments)` as `run(numbers, *arguments)` of the arrays in the tree, these arrays, and all else
    that decides what is compiled."""
    leaves, structure = jax.tree.flatten(tree)
    numbers, constants = eqx.partition(leaves, eqx.is_array)

    def run(numbers: list[Any], *arguments: Any) -> Any:
        return function(jax.tree.unflatten(structure, eqx.combine(numbers, constants)), *arguments)

    run.__name__ = function.__name__
    return run, numbers, (structure, tuple(constants))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled anew only where more than the values of the arrays in its arguments changes.

    The arguments are pytrees of arrays and hashable constants. The function is not differentiable: what is compiled
    ahead of time cannot be transformed.
    """

    def of_all(arguments: tuple[Any, ...]) -> Any:
        return function(*arguments)

    of_all.__name__ = function.__name__

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return Program(of_all, arguments)()

    return call


def fused_on_cpu(function: Callable[..., Any], *operands: Any) -> Any:
    """function(*operands), compiled for a processor as one kernel.

    XLA otherwise hands the operations of a loop to a pool of threads one by one. A run has a thread for every core
    already, and handing over takes longer than an operation on one level of a block. `xla_cpu_small_call` is not
    documented: pyproject.toml bounds the version of JAX, and a test tells when it is no longer taken.

    Args:
        function: loops over elementwise operations and nothing else: jaxlib 0.10 fails with products of matrices, and
            with large operations outside the loops.
        operands: trees of arrays.

    Returns:
        what the function returns.
    """
    if on_accelerator():
        return function(*operands)
    # Large constants as operands end the process (jaxlib 0.10): the barrier keeps them from being seen as such.
    operands = _marked_backwards(lax.optimization_barrier(operands), _ONE_KERNEL)
    return set_xla_metadata(jax.jit(function)(*operands), **dict(_ONE_KERNEL))


def own_call(function: Callable[..., Any], *operands: Any) -> Any:
    """function(*operands), compiled apart from what surrounds it, so that it rounds alike in all programs."""
    return set_xla_metadata(jax.jit(function)(*operands), **dict(_OWN_CALL))


def apart_backwards(function: Callable[..., Any], *operands: Any) -> Any:
    """function(*operands), a part of what `fused_on_cpu` runs, whose gradient is evaluated once.

    XLA otherwise evaluates the gradient of all that follows anew for every operand: a cotangent is a result of a call
    of its own, which is not inlined.

    Args:
        function: elementwise operations only.
        operands: trees of arrays.

    Returns:
        what the function returns.
    """
    if on_accelerator():
        return function(*operands)
    return jax.jit(jax.checkpoint(function, prevent_cse=False))(*_marked_backwards(operands, _OWN_CALL))


_ONE_KERNEL = (("inlineable", "false"), ("xla_cpu_small_call", "true"))
_OWN_CALL = (("inlineable", "false"),)


def _marked_backwards(operands: Any, marks: tuple[tuple[str, str], ...]) -> Any:
    """The operands of a call whose transpose is to be marked: JAX marks the call alone."""
    return jax.tree.map(lambda operand: _marked.bind(operand, marks=marks), operands)


def _mark(cotangent: Any, operand: Any, *, marks: tuple[tuple[str, str], ...]) -> tuple[Any]:
    return (cotangent if isinstance(cotangent, ad.Zero) else set_xla_metadata(cotangent, **dict(marks)),)


# The identity, whose cotangent is a result of the transposed call.
_marked = Primitive("marked_backwards")
_marked.def_impl(lambda operand, *, marks: operand)
_marked.def_abstract_eval(lambda operand, *, marks: operand)
ad.deflinear2(_marked, _mark)
batching.defvectorized(_marked)
mlir.register_lowering(_marked, lambda context, operand, *, marks: [operand])


def forward_only(operand: jax.Array, reason: str) -> jax.Array:
    """The operand, through which derivatives in forward mode pass; ValueError with the reason in reverse mode.

    It stands behind loops of a traced length, of which JAX's own error names neither the function nor what to do.
    """
    return _forward_only.bind(operand, reason=reason)


def _refuse(cotangent: Any, operand: Any, *, reason: str) -> tuple[Any]:
    if isinstance(cotangent, ad.Zero):
        return (cotangent,)
    raise ValueError(reason)


_forward_only = Primitive("forward_only")
_forward_only.def_impl(lambda operand, *, reason: operand)
_forward_only.def_abstract_eval(lambda operand, *, reason: operand)
ad.deflinear2(_forward_only, _refuse)
batching.defvectorized(_forward_only)
mlir.register_lowering(_forward_only, lambda context, operand, *, reason: [operand])


def by_rows(function: Callable[..., Any], rows: jax.Array, *shared: Any) -> Any:
    """function(row, *shared) of every row, stacked; on a processor many rows are one kernel that loops over them.

    Args:
        function: elementwise operations only, as of `fused_on_cpu`.
        rows: an array whose first axis counts the rows.
        shared: arrays that every row is given.

    Returns:
        what the function returns, with the rows' axis in front.
    """
    if len(rows) < MANY_ROWS or on_accelerator():
        return jax.vmap(function, in_axes=(0, *[None] * len(shared)))(rows, *shared)

    def loop(rows: jax.Array, *shared: Any) -> Any:
        return lax.scan(lambda _, row: (None, function(row, *shared)), None, rows)[1]

    return fused_on_cpu(loop, rows, *shared)
