"""Image files, pairs of images, degradations, and streams of training batches."""
