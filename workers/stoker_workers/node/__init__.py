"""One machine: its agent, which runs a worker for each device, and what there is of cores, memory and GPUs."""
