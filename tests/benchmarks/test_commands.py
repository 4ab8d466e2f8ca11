"""The command line of the benchmarks: every command calls something, with what it takes."""

import argparse
import inspect
from importlib import import_module

import pytest

from benchmarks.__main__ import CALLS, parser

(COMMANDS,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))


@pytest.mark.parametrize("command", COMMANDS.choices)
def test_every_command_calls_what_exists_with_what_it_knows(command):
    module, function, names = CALLS[command]
    called = inspect.signature(getattr(import_module(f"benchmarks.{module}"), function))
    called.bind(*names)
    known = {action.dest for action in COMMANDS.choices[command]._actions}
    assert set(names) <= known


def test_every_call_has_its_command():
    assert set(CALLS) == set(COMMANDS.choices)
