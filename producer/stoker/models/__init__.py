"""Models and data: manifests, inputs, tensors, the artifact store, data references."""
