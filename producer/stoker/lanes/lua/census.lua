-- Looks at all lanes together. Answers how many hold requests, how many requests wait, how many drainers there are, how
-- many requests those have in hand.
local lanes, waiting, in_hand = 0, 0, 0
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  local depth = depth_of(ref)
  lanes, waiting = lanes + (depth > 0 and 1 or 0), waiting + depth
end
local drainers = redis.call('ZRANGE', LANE.drainers, 0, -1)
for _, entry in ipairs(drainers) do
  in_hand = in_hand + count_taken(string.match(entry, '^%S+'))
end
return { lanes, waiting, #drainers, in_hand }
