-- How many drainers the lanes need, by the queue that their doorbells go to: those there, or as many as the depth would
-- keep busy, also beyond the slots that there are.
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
  local needed = math.max(there, drainers_for(depth))
  if queue and needed > 0 then
    answer[#answer + 1] = { queue, needed }
  end
end
return answer
