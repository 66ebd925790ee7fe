-- Takes a doorbell that no slot has had time for out of its queue, for a drainer that serves the lane as well.
-- ARGV: the queues it serves. Answers the lane, or nothing.
local served = {}
for _, queue in ipairs(ARGV) do
  served[queue] = true
end
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  local queue = redis.call('GET', LANE.lane_queue .. ref)
  if queue and served[queue] then
    for _, bell in ipairs(redis.call('ZRANGE', LANE.bells .. ref, 0, -1)) do
      if redis.call('LREM', queue .. SEPARATOR .. STEP.high, 1, bell) == 1 then
        return ref
      end
    end
  end
end
return false
