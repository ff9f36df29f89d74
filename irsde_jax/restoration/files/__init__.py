"""Restoration of files: selecting inputs, naming results, and writing results."""
