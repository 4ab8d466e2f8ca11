"""The likelihood of records: instruments, the maps ρ ↦ ρ̃'(y) of one bin by what was written down in it."""
