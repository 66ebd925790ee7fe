-- Removes drainers whose lease is over, and rings again for lanes without a drainer. ARGV: limit
-- Returns how many requests went back to their lanes.
local back = 0
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', LANE.drainers, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))) do
  local drainer, ref = string.match(entry, '^(%S+) (.+)$')
  back = back + put_back(ref, drainer)
  forget_drainer(ref, drainer)
end
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  settle_lane(ref)
end
return back
