"""A registered model, loaded and ready to predict by the quickest engine."""
