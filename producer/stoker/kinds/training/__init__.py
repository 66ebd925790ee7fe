"""What a `Train` is made of: network, fitting, targets, splits, and what comes of it."""
