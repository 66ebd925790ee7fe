-- A worker has gone. ARGV: name
forget_worker(ARGV[1])
