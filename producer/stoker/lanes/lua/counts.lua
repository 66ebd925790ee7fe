-- Counts over all lanes. Returns {lanes that hold requests, requests that wait, drainers, requests that those have taken}.
local lanes, waiting, taken = 0, 0, 0
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  local depth = depth_of(ref)
  lanes, waiting = lanes + (depth > 0 and 1 or 0), waiting + depth
end
local drainers = redis.call('ZRANGE', LANE.drainers, 0, -1)
for _, entry in ipairs(drainers) do
  taken = taken + count_taken(string.match(entry, '^%S+'))
end
return { lanes, waiting, #drainers, taken }
