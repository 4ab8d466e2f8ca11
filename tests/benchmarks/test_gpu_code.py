"""Counting what a compiled program launches, on a text that was counted by hand; the command without its compiler."""

import pytest

from benchmarks import gpu_code, gpu_code_ahead
from benchmarks.__main__ import main
from benchmarks.gpu_code_count import Cost, cost, parse, step_cost
from benchmarks.gpu_code_kernel import Kernel, kernel_in, registers_and_spills
from benchmarks.problems import find

KNOWN = '{"known_trip_count":{"n":"2"}}'
# As XLA writes it: blocks of trajectories around two saved intervals around steps, in which three levels are visited.
TEXT = """
HloModule jit_run, is_scheduled=true, entry_computation_layout={(s32[])->f32[8]{0}}

%fused_level (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %double = f32[8]{0} add(%p, %p)
}

%level (l: (s32[], f32[8])) -> (s32[], f32[8]) {
  %l = (s32[], f32[8]{0}) parameter(0)
  %level_index = s32[] get-tuple-element(%l), index=0
  %row = f32[8]{0} get-tuple-element(%l), index=1
  %visit = f32[8]{0} fusion(%row), kind=kLoop, calls=%fused_level
  %next_level = s32[] fusion(%level_index), kind=kLoop, calls=%fused_level
  ROOT %levels = (s32[], /*index=1*/f32[8]{0}) tuple(%next_level, %visit)
}

%fewer_levels (c: (s32[], f32[8])) -> pred[] {
  %c = (s32[], f32[8]{0}) parameter(0)
  ROOT %three = pred[] constant(true)
}

%product (q: f32[8]) -> f32[8] {
  %q = f32[8]{0} parameter(0)
  %gemm = (f32[8]{0}, s8[64]{0}) custom-call(%q), custom_call_target="__cublas$gemm"
  ROOT %gemm_value = f32[8]{0} get-tuple-element(%gemm), index=0
}

%step (s: (s32[], f32[8])) -> (s32[], f32[8]) {
  %s = (s32[], f32[8]{0}) parameter(0)
  %psi = f32[8]{0} get-tuple-element(%s), index=1
  %count = s32[] get-tuple-element(%s), index=0
  %started = ((f32[8]{0}), f32[8]{0}, u32[]) copy-start(%psi)
  %copied = f32[8]{0} copy-done(%started)
  %multiplied = f32[8]{0} call(%copied), to_apply=%product
  %start = (s32[], f32[8]{0}) tuple(%count, %multiplied)
  %visited = (s32[], f32[8]{0}) while(%start), condition=%fewer_levels, body=%level, backend_config=THREE
  ROOT %result = (s32[], f32[8]{0}) tuple(%count, %psi)
}

%go_on (g: (s32[], f32[8])) -> pred[] {
  %g = (s32[], f32[8]{0}) parameter(0)
  ROOT %less = pred[] fusion(%g), kind=kLoop, calls=%fused_level
}

%interval (i: (s32[], f32[8])) -> (s32[], f32[8]) {
  %i = (s32[], f32[8]{0}) parameter(0)
  ROOT %steps = (s32[], f32[8]{0}) while(%i), condition=%go_on, body=%step
}

%block (b: (s32[], f32[8])) -> (s32[], f32[8]) {
  %b = (s32[], f32[8]{0}) parameter(0)
  ROOT %intervals = (s32[], f32[8]{0}) while(%b), condition=%fewer_levels, body=%interval, backend_config=TWO
}

ENTRY %main (n: (s32[], f32[8])) -> (s32[], f32[8]) {
  %n = (s32[], f32[8]{0}) parameter(0)
  %drawn = f32[8]{0} fusion(%n), kind=kLoop, calls=%fused_level
  ROOT %blocks = (s32[], f32[8]{0}) while(%n), condition=%go_on, body=%block
}
""".replace("THREE", '{"known_trip_count":{"n":"3"},"known_init_step":{"init":"0","step":"1"}}').replace("TWO", KNOWN)


def test_a_step_is_counted():
    # A copy, a product, three times the visit and the index, and whether the loop goes on; one wait for the answer.
    assert step_cost(TEXT) == Cost(kernels=1 + 1 + 3 * 2 + 1, synchronisations=1)


def test_the_whole_is_counted_with_its_loops_of_unknown_length_once():
    # A draw; two intervals of a step each; whether there is another block.
    assert cost(parse(TEXT), "ENTRY") == Cost(kernels=1 + 2 * 9 + 1, synchronisations=2 + 1)


def test_a_program_without_a_loop_over_steps_is_refused():
    with pytest.raises(ValueError, match="one loop over time steps inside one over blocks; got 0"):
        step_cost(TEXT.replace("body=%step", f"body=%step, backend_config={KNOWN}"))


def test_without_the_compiler_the_command_says_so(monkeypatch, capsys):
    monkeypatch.setattr(gpu_code_ahead, "WHEELS", ("jax-cuda13-plugin-of-nobody", "numpy"))
    monkeypatch.setattr(gpu_code, "run_child", None)
    main(["gpu-code"])
    said = capsys.readouterr().out
    assert said.startswith("jax-cuda13-plugin-of-nobody: not installed.") and "numpy" not in said


def test_what_failed_is_told_in_its_row():
    counted = {"block": 1024, "kernels": 9.5, "synchronisations": 0.5, "temporary_mib": 60.01, "compile_seconds": 6.1}
    row = {"name": "suv-2", "title": "SUV d=2", "xla": counted, "persistent": {"cannot": "over 600 s"}}
    assert gpu_code.cells(row) == ["SUV d=2", "1024", "9.5", "0.5", "60.01", "6.1", "over 600 s", "–", "–", "–"]
    assert len(gpu_code.cells(row)) == len(gpu_code.HEADERS)


# As ptxas and nvdisasm write them.
REPORT = """ptxas info    : Compiling entry function 'steps' for 'sm_90a'
ptxas info    : Function properties for steps
    16 bytes stack frame, 24 bytes spill stores, 40 bytes spill loads
ptxas info    : Used 80 registers, used 2 barriers
"""
ASSEMBLY = """
   -:-:-:Y:05        /*0150*/              @!P0 BRA `(.L_x_0)
.L_x_1:
   2:-:-:Y:01        /*0270*/                   IMAD R37, R51, 0x3, R3
.L_x_3:
   -:-:-:Y:01        /*0290*/                   VIADD R39, R2, 0x2
   -:-:-:Y:05        /*0300*/               @P1 BRA `(.L_x_3)
   -:-:-:Y:01        /*0310*/              @!P0 FADD.FTZ R3, R3, R2
   -:-:-:Y:05        /*2000*/               @P0 BRA `(.L_x_1)
.L_x_0:
   -:-:-:Y:05        /*2100*/                   EXIT
.L_x_2:
   -:-:-:-:00        /*2110*/                   BRA `(.L_x_2)
"""


def test_a_kernel_is_read_from_what_the_assembler_left(tmp_path):
    (tmp_path / "steps_0.ptxas").write_text(REPORT)
    (tmp_path / "steps_0.sass_ctrl").write_text(ASSEMBLY)
    assert kernel_in(tmp_path) == Kernel(registers=80, spilled=24, instructions=5)


def test_a_report_without_registers_is_refused():
    with pytest.raises(ValueError, match="ptxas -v"):
        registers_and_spills("ptxas info    : 0 bytes gmem")


@pytest.mark.release
@pytest.mark.skipif(None in gpu_code_ahead.wheels().values(), reason="needs the CUDA wheels; no card")
def test_a_problem_is_compiled_for_a_card_that_is_not_there():
    row = gpu_code.row_of(find("suv-8"))
    assert row["xla"]["kernels"] < 15 and row["xla"]["synchronisations"] == 0.5
    assert 32 <= row["persistent"]["registers"] <= 255 and 100 < row["persistent"]["instructions"] < 4000
