"""What the figures in docs/benchmarks.md come from. `python -m benchmarks --help` says how to run them."""
