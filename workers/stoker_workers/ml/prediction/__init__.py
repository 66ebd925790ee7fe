"""Loading registered models, and predicting with the quickest engine."""
