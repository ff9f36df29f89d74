"""Restoration: a network, its process and a solver as one function of images."""
