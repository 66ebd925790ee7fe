-- How many drainers the lanes need, by the queue that their doorbells go to: those there, or those that the depth wants.
-- Answers {queue, drainers} of each lane that needs any.
local lanes, now = {}, now_ms()
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  lanes[ref] = 0
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', LANE.drainers, now, '+inf')) do
  local ref = string.match(entry, '^%S+ (.+)$')
  lanes[ref] = (lanes[ref] or 0) + 1
end
local answer = {}
for ref, there in pairs(lanes) do
  local depth, queue = depth_of(ref), redis.call('GET', LANE.lane_queue .. ref)
  local wanted = depth > 0 and math.min(1 + math.floor(depth / SPREAD), MOST_DRAINERS) or 0
  if queue and math.max(there, wanted) > 0 then
    answer[#answer + 1] = { queue, math.max(there, wanted) }
  end
end
return answer
