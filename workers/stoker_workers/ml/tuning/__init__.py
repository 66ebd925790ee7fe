"""Searching for settings: what trials gave, which comes next, and what is made of the best."""
