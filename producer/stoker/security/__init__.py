"""What holds against those who reach Redis or the store: the audit."""
