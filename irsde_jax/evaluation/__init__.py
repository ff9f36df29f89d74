"""Evaluation: scores of restored images, comparisons, and their reports."""
