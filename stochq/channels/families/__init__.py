"""What the jump operators are: families with their structure. They name their flows inside `flow(law)` only."""
