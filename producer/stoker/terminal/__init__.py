"""Output to a terminal: escapes control characters in text, shows errors as a line and an exit status."""
