"""How one channel alone makes a step."""
