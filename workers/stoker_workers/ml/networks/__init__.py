"""Networks: a module for each architecture that a `Train` job can ask for, and `building`, which puts one together."""
