"""What stochq costs and what others cost, measured: `python -m benchmarks throughput`, `python -m benchmarks memory`."""
