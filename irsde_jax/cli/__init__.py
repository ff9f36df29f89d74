"""The command line: its flags, its modes, its help pages.

`flags` is the table of all flags and `modes` the table of all modes. Parsing, checks
and help pages are derived from these two tables. Nothing here imports JAX before a
mode runs, so that mistakes and help pages appear at once.
"""
