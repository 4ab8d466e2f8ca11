"""What stochq costs and what others cost, measured: `python -m benchmarks throughput` and `memory`."""
