-- Notes that a state has been copied; one that has changed meanwhile is still to be. ARGV: id, what was copied
if (redis.call('GET', KEY.meta .. ARGV[1]) or '') == ARGV[2] then
  redis.call('SREM', KEY.untold, ARGV[1])
end
