"""The data doctor: what is in a data set, and what may be wrong with it."""
