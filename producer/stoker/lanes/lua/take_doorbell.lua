-- Takes a doorbell out of its queue, for a process that already drains other lanes.
-- ARGV: the queues that it serves. Returns the lane, or false.
local served = {}
for _, queue in ipairs(ARGV) do
  served[queue] = true
end
for _, ref in ipairs(redis.call('SMEMBERS', LANE.lanes)) do
  for _, bell in ipairs(redis.call('ZRANGE', LANE.bells .. ref, 0, -1)) do
    local queue = queue_of_bell(bell)
    if served[queue] and redis.call('LREM', queue .. SEPARATOR .. STEP.high, 1, bell) == 1 then
      return ref
    end
  end
end
return false
