"""What models and data are to an app: manifests, inputs, tensors, the store, references to data."""
