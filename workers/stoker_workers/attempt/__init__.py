"""One attempt at a job, from claim to commit: the slot, the runner that it forks, and how it ends."""
