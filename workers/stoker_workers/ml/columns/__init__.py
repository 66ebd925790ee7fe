"""What columns hold, and what is made of them: statistics, kinds, and the task."""
