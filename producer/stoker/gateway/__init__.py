"""The gateway: Stoker over HTTP, on an `AsyncClient` alone."""
