"""Weights on disk: checkpoints, weights files and official PyTorch files."""

from irsde_jax.checkpoints.official import load_pytorch

__all__ = ["load_pytorch"]
