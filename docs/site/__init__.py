"""Builds the documentation site: `make docs`. What readers see is in docs/*.md; here is how it becomes a site."""
