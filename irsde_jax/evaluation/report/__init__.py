"""The report of an evaluation: one HTML file with its plots and images."""
