"""What an app holds: the two clients, jobs, and what a call does on its way to Redis and back."""
