"""Restoring files: which ones, under which names, and what their results hold."""
