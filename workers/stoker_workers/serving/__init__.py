"""Predictions through lanes: predictors that keep models warm, and how they drain what waits."""
