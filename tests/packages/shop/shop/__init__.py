"""What a shop knows of its orders."""
