"""Image quality metrics: PSNR, SSIM, LPIPS and confidence intervals of their means."""

from irsde_jax.metrics.distortion import luma, psnr, ssim

__all__ = ["luma", "psnr", "ssim"]
