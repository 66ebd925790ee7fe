-- How many drainers the lanes need: as many as they have, or as many as their depth keeps busy if that is more, even if
-- there are fewer slots. Returns {queue of its doorbells, drainers} of each lane that needs any.
local lanes, now = {}, now_ms()
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  lanes[ref] = 0
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', LANE.drainers, now, '+inf')) do
  local ref = string.match(entry, '^%S+ (.+)$')
  lanes[ref] = (lanes[ref] or 0) + 1
end
local answer = {}
for ref, drainers in pairs(lanes) do
  local depth, queue = depth_of(ref), redis.call('GET', LANE.lane_queue .. ref)
  local needed = math.max(drainers, drainers_for(depth))
  if queue and needed > 0 then
    answer[#answer + 1] = { queue, needed }
  end
end
return answer
