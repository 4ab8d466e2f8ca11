"""Quantum jumps without a time step: every trajectory goes from event to event, a click or a saved time."""
