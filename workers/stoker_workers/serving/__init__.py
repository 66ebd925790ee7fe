"""Predictions through lanes: predictors, which keep models loaded, and how they drain lanes."""
