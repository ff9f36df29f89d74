"""`make demo` and `make demo-train`: the library at work, in minutes."""
