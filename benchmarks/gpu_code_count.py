"""What a step of a compiled program launches on a card, counted in XLA's text of the program."""

import re
from typing import NamedTuple

# What is no work of its own for the card; the second half of what runs beside other work has been counted already.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier", "partition-id"}
_SECOND_HALF = "-done"
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^(?:ROOT )?%?[\w.\-]+ = (?:\(.*?\)|\S+) ([\w\-]+)\(")
_TRIPS = re.compile(r"known_trip_count[^\d]*(\d+)")


class Instruction(NamedTuple):
    """operation: such as fusion or while. line: the whole of it."""

    operation: str
    line: str

    def called(self, role: str) -> str:
        """The name of the computation that it calls as `role`, such as body; empty where there is none."""
        found = re.search(rf"\b{role}=%?([\w.\-]+)", self.line)
        return found.group(1) if found else ""

    @property
    def trips(self) -> int | None:
        """How often a loop runs; None where the host has to ask the card."""
        found = _TRIPS.search(self.line)
        return int(found.group(1)) if found else None


class Cost(NamedTuple):
    """kernels: launched, copies and calls of libraries among them. synchronisations: times at which the host waits."""

    kernels: int = 0
    synchronisations: int = 0

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return Cost(self.kernels + other.kernels, self.synchronisations + other.synchronisations)

    def times(self, count: int) -> "Cost":
        """That of so many."""
        return Cost(count * self.kernels, count * self.synchronisations)


Program = dict[str, list[Instruction]]


def parse(text: str) -> Program:
    """The instructions of every computation by its name; those of the whole under "ENTRY"."""
    program: Program = {}
    current: list[Instruction] = []
    # Long tuples are numbered by comments.
    for line in re.sub(r"/\*index=\d+\*/", "", text).splitlines():
        line = line.strip()
        if heading := _COMPUTATION.match(line):
            current = program.setdefault("ENTRY" if heading.group(1) else heading.group(2), [])
        elif instruction := _INSTRUCTION.match(line):
            current.append(Instruction(instruction.group(1), line))
    return program


def cost(program: Program, name: str) -> Cost:
    """Of one run of a computation. Loops of unknown length count once, and once the host waits for them."""
    return sum((_of_instruction(program, instruction) for instruction in program[name]), Cost())


def _of_instruction(program: Program, instruction: Instruction) -> Cost:
    operation = instruction.operation
    if operation in _FREE or operation.endswith(_SECOND_HALF):
        return Cost()
    if operation == "while":
        return _of_loop(program, instruction)
    if operation == "call" and (called := instruction.called("to_apply")):
        return cost(program, called)
    if operation == "conditional":
        return Cost(1, 1)
    return Cost(1)


def _of_loop(program: Program, loop: Instruction) -> Cost:
    body = cost(program, loop.called("body"))
    if loop.trips is not None:
        return body.times(loop.trips)
    return body + _asking(program, loop)


def _asking(program: Program, loop: Instruction) -> Cost:
    """Of asking the card whether a loop goes on."""
    return cost(program, loop.called("condition")) + Cost(0, 1)


def step_cost(text: str) -> Cost:
    """Of one iteration of the loop over time steps: the loop of unknown length inside the one over blocks."""
    program = parse(text)
    over_blocks = _open_loops(program, "ENTRY")
    over_steps = [loop for outer in over_blocks for loop in _open_loops(program, outer.called("body"))]
    if len(over_steps) != 1:
        raise ValueError(f"text: expected one loop over time steps inside one over blocks; got {len(over_steps)}.")
    return _of_loop(program, over_steps[0])


def _open_loops(program: Program, name: str) -> list[Instruction]:
    """The loops of unknown length in a computation, those inside loops of known length included."""
    found = []
    for instruction in program[name]:
        if instruction.operation == "while" and instruction.trips is None:
            found.append(instruction)
        elif instruction.operation in ("while", "call"):
            inner = instruction.called("body" if instruction.operation == "while" else "to_apply")
            found += _open_loops(program, inner) if inner else []
    return found
