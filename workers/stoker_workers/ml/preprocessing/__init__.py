"""From raw columns to a network's inputs."""
