-- Puts a message aside that is no job of ours. ARGV: reason, what is left of it (JSON), how many to keep
redis.call('HINCRBY', KEY.quarantined, ARGV[1], 1)
redis.call('LPUSH', KEY.quarantine, ARGV[2])
redis.call('LTRIM', KEY.quarantine, 0, tonumber(ARGV[3]) - 1)
