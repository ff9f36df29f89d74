"""The report of an evaluation: one HTML file, its plots and its pictures."""
