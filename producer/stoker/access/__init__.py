"""Least rights in Redis: who may write which keys and run which commands, the users made of that, and their scripts."""
