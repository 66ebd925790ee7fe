"""What a `Tune` is made of: the space, the trials, the goal, and what comes of them."""
