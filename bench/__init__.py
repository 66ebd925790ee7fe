"""Benchmarks: Stoker and its references, side by side in one run."""
