"""A fleet in simulated time: loads, the fleet, and the rules that scale it."""
