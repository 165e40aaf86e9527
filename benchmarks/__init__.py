"""Benchmarks: medians and ratios of one run on the machine at hand."""
