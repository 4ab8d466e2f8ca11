"""What Mosaic's compiler leaves of a persistent kernel: registers, spilled bytes, the instructions of its loop."""

import re
from pathlib import Path
from typing import NamedTuple

_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?(\w[\w.]*)([^;]*)")
_LABEL = re.compile(r"^(\.L_\w+):")
_TARGET = re.compile(r"`\((\.L_\w+)\)")


class Kernel(NamedTuple):
    """registers: of a thread; spilled: bytes that did not fit and are stored elsewhere; instructions: of an iteration
    of the longest loop, other loops inside it once."""

    registers: int
    spilled: int
    instructions: int


def kernel_in(folder: Path) -> Kernel:
    """The one kernel whose assembly was left in a folder, by MOSAIC_GPU_DUMP_TO."""
    (report,) = folder.glob("*.ptxas")
    (assembly,) = folder.glob("*.sass*")
    return Kernel(*registers_and_spills(report.read_text()), longest_loop(assembly.read_text()))


def registers_and_spills(report: str) -> tuple[int, int]:
    """Registers and bytes of spill stores, by the assembler's own report."""
    found = [re.search(pattern, report) for pattern in (r"Used (\d+) registers", r"(\d+) bytes spill stores")]
    registers, spilled = (int(match.group(1)) if match else 0 for match in found)
    if not registers:
        raise ValueError("report: expected the number of registers as ptxas -v tells it; it is not there.")
    return registers, spilled


def longest_loop(assembly: str) -> int:
    """Instructions from the target of a branch that goes back to that branch, where these are the most."""
    labels: dict[str, int] = {}
    count, longest = 0, 0
    for line in assembly.splitlines():
        if label := _LABEL.match(line.strip()):
            labels[label.group(1)] = count
        elif instruction := _INSTRUCTION.search(line):
            count += 1
            target = _TARGET.search(instruction.group(2))
            if instruction.group(1).startswith("BRA") and target and target.group(1) in labels:
                longest = max(longest, count - labels[target.group(1)])
    return longest
