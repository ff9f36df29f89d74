"""The documentation: pages, the configuration of Sphinx, and generators of pages."""
