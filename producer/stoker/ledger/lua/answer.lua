-- Answers an inference request. ARGV: id, answer, how long it waits to be fetched, s
redis.call('LPUSH', KEY.reply .. ARGV[1], ARGV[2])
redis.call('EXPIRE', KEY.reply .. ARGV[1], ARGV[3])
