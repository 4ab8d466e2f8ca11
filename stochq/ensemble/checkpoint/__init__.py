"""Runs that go on where they were interrupted."""

from stochq.ensemble.checkpoint.checkpoint import Checkpoint, Stage, opened
from stochq.ensemble.checkpoint.content import holds_unfinished, is_checkpoint

__all__ = ["Checkpoint", "Stage", "holds_unfinished", "is_checkpoint", "opened"]
