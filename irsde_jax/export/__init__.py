"""Exported programs: a restorer that runs without this package."""
