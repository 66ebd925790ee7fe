-- Wakes a job that waits: see wake_waiting. ARGV: id. Returns 1, or 0 if it has ended or there is none.
return wake_waiting(ARGV[1]) and 1 or 0
