"""Export of restorers as programs that run without this package."""
