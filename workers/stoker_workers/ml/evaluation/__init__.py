"""How good, how fast and how steady a model is."""
