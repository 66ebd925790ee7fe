"""Files over HTTP: into the store, and out of it."""
