-- Puts requests into lanes, all those of a lane or none; wakes an idle drainer of each, or rings for one.
-- ARGV: for each lane: ref, queue, priority, the most requests that it may hold, how many are added, then for each of
--   those its timeout in ms, its bytes
-- Returns the former depth of each lane, or -1 - depth where they did not fit.
local answer, at = {}, 1
while at <= #ARGV do
  local ref, queue, priority, most, count = unpack(ARGV, at, at + 4)
  most, count = tonumber(most), tonumber(count)
  local list, depth, now = lane_list(ref, priority), depth_of(ref), now_ms()
  if depth + count > most then
    answer[#answer + 1] = -1 - depth
    tally('refused requests', count)
  else
    answer[#answer + 1] = depth
    for n = 0, count - 1 do
      local timeout_ms, bytes = ARGV[at + 5 + 2 * n], ARGV[at + 6 + 2 * n]
      redis.call('RPUSH', list, struct.pack('<d', now + timeout_ms) .. bytes)
    end
    if depth == 0 then
      redis.call('SADD', LANE.lanes, ref)
    end
    local idle = redis.call('LPOP', LANE.idle .. ref)
    if idle then
      local watch = string.match(idle, '^[^.]+')
      redis.call('RPUSH', LANE.wake .. watch, idle)
      redis.call('PEXPIRE', LANE.wake .. watch, 60000)
    end
    redis.call('SET', LANE.lane_queue .. ref, queue)
    ring_lane(ref, depth + count)
  end
  at = at + 5 + 2 * count
end
return answer
