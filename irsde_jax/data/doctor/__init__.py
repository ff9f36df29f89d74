"""The data doctor: lists the content of a data set and finds problems in it."""
