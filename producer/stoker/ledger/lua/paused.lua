-- What is paused. ARGV: how many jobs to name at most
-- Returns {how many jobs are, {id, since when (ms) …} of those paused longest,
--   {'queue' or 'tenant' and its name, since when …}}.
return { redis.call('ZCARD', KEY.paused), redis.call('ZRANGE', KEY.paused, 0, tonumber(ARGV[1]) - 1, 'WITHSCORES'),
  redis.call('HGETALL', KEY.pauses) }
