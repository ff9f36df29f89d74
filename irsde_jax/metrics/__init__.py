"""Measures of images: PSNR and SSIM, LPIPS, and how certain their means are."""

from irsde_jax.metrics.distortion import luma, psnr, ssim

__all__ = ["luma", "psnr", "ssim"]
