"""From raw columns to the numbers that a network reads."""
