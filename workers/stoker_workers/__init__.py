"""The heavy half of Stoker: what a fleet runs."""
