"""The experiments of the IR-SDE paper, small: `python -m benchmarks.paper --help`."""
