"""Feedback: controllers that read the record of a trajectory and drive it."""

from stochq.feedback.closed_loop import ClosedLoop as ClosedLoop
from stochq.feedback.closed_loop import closed_loop as closed_loop
from stochq.feedback.controller import Controller as Controller
from stochq.feedback.controller import Proportional as Proportional
from stochq.feedback.loop import Loop as Loop

__all__ = [
    "ClosedLoop",
    "Controller",
    "Loop",
    "Proportional",
    "closed_loop",
]
