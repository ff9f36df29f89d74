"""Weights on disk: the official PyTorch files."""

from irsde_jax.checkpoints.official import load_pytorch

__all__ = ["load_pytorch"]
