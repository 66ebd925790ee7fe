-- Notes that a state has been copied, unless it has changed meanwhile. ARGV: id, the copied state
if (redis.call('GET', KEY.meta .. ARGV[1]) or '') == ARGV[2] then
  redis.call('SREM', KEY.untold, ARGV[1])
end
