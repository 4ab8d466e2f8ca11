"""Runs that go on where they were interrupted."""

from stochq.ensemble.checkpoint.checkpoint import Checkpoint, Stage, opened
from stochq.ensemble.checkpoint.content import holds_unfinished, is_checkpoint
from stochq.ensemble.checkpoint.course import Course, course_of, run_at

__all__ = ["Checkpoint", "Course", "Stage", "course_of", "holds_unfinished", "is_checkpoint", "opened", "run_at"]
