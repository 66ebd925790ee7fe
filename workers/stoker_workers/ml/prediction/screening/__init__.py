"""Checks of model files before any framework opens them: one module for each format, each with its closed set."""
