-- Notes that a state has been told; one that has changed meanwhile is to be told again. ARGV: id, what was written
if (redis.call('GET', KEY.meta .. ARGV[1]) or '') == ARGV[2] then
  redis.call('SREM', KEY.untold, ARGV[1])
end
