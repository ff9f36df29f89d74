"""The demos `make demo` and `make demo-train`, which run in minutes."""
