"""One machine: its agent, which runs a worker for each device, and its cores, memory and GPUs."""
