-- Notes that a state has been told. One that has changed meanwhile is to be told again, also where another copier has
-- told the newer one already: the older one stands in its place now. ARGV: id, what was written
if (redis.call('GET', KEY.meta .. ARGV[1]) or '') == ARGV[2] then
  redis.call('SREM', KEY.untold, ARGV[1])
else
  redis.call('SADD', KEY.untold, ARGV[1])
end
