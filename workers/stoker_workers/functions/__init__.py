"""What a function of the user's sees of its job."""
