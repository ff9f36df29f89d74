"""Measurements: each prints a table with ratios taken in one run."""
