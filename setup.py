"""The packages, found where they lie. All other metadata is in setup.cfg."""

from setuptools import find_packages, setup

# The experiments live at the top of the repository and are installed in the package.
PACKAGES = [*find_packages(include=["irsde_jax", "irsde_jax.*"]), "irsde_jax.configs"]

setup(packages=PACKAGES)
