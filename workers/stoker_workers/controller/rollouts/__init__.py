"""How new versions come into service: what evidence says of them, and what follows for their routes."""
