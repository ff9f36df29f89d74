"""The command line: its flags, its modes and its help pages.

`flags` is the table of all flags, and `modes` is the table of all modes. Parsing,
checks and help pages are derived from these two tables. JAX is not imported before a
mode runs, so that errors and help pages appear at once.
"""
