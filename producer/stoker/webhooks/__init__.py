"""Webhooks: what an app is told by HTTP, as Standard Webhooks 1.0 has it. Does no I/O but to resolve names."""
