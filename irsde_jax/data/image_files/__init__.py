"""Image files: their formats, pixels and metadata, and the holes painted into them."""
