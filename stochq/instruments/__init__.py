"""Instruments: the maps ρ ↦ ρ̃'(y) of one bin of a record by what was written down in it."""
