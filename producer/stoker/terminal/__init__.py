"""What a person at a terminal is told: foreign text made harmless, errors as a line and a status."""
