-- Sends a client an entry without answers. ARGV: client
redis.call('RPUSH', LANE.answers .. ARGV[1], '')
redis.call('EXPIRE', LANE.answers .. ARGV[1], 60)
