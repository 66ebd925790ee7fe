-- Puts requests into lanes, all those of a lane or none; wakes an idle drainer of each, or rings for one. Of a model whose
-- guard limits how often it may be asked, only as many of the first as its caller may still send.
-- ARGV: the Redis user, and where it is; for each lane: ref, queue, priority, the most requests that it may hold, how many are
--   added, then for each of those its timeout in ms, its bytes
-- Returns of each lane its former depth, -1 - depth where they did not fit, or {how many were put there, in how many ms the
--   next may be, how many may be in a minute}.
local USER = ARGV[1]
local MINUTE_MS, QUIET_MS = 60000, 600000

-- How many of some requests may be sent to a lane's model now; if not all, also in how many ms the next, and how many in a
-- minute.
local function admitted(ref, count)
  local model = string.match(ref, '^[^@]*')
  local guard = redis.pcall('HGET', KEY.guards, model)
  local most = type(guard) == 'string' and tonumber(string.match(guard, '"most_a_minute":(%d+)') or nil)
  if not most then
    return count
  end
  local name, now = LANE.asked .. USER .. ':' .. model, now_ms()
  local sent, ends, said = string.match(redis.call('GET', name) or '', '^(%d+) (%d+) (%d+)$')
  sent, ends, said = tonumber(sent) or 0, tonumber(ends) or 0, tonumber(said) or 0
  if now >= ends or ends > now + MINUTE_MS then
    sent, ends = 0, now + MINUTE_MS
  end
  local taken = math.min(count, math.max(0, most - sent))
  if taken < count then
    tally('guard rate', count - taken)
    if now - said > QUIET_MS then
      said = now
      raise_alarm({ what = 'guard', model = model,
        text = string.format('%s asks %s more than %d times a minute, which its guard refuses', USER, model, most) })
    end
  end
  redis.call('SET', name, string.format('%.0f %.0f %.0f', sent + taken, ends, said), 'PX', MINUTE_MS + QUIET_MS)
  return taken, ends - now, most
end

local answer, at = {}, 3
while at <= #ARGV do
  local ref, queue, priority, most, count = unpack(ARGV, at, at + 4)
  most, count = tonumber(most), tonumber(count)
  local list, depth, now = lane_list(ref, priority), depth_of(ref), now_ms()
  if depth + count > most then
    answer[#answer + 1] = -1 - depth
    tally('refused requests', count)
  else
    local taken, wait_ms, most_a_minute = admitted(ref, count)
    answer[#answer + 1] = taken == count and depth or { taken, wait_ms, most_a_minute }
    local requests = {}
    for n = 0, taken - 1 do
      local timeout_ms, bytes = ARGV[at + 5 + 2 * n], ARGV[at + 6 + 2 * n]
      requests[#requests + 1] = struct.pack('<d', now + timeout_ms) .. bytes
    end
    -- In slices, because unpack puts all of them on Lua's stack.
    for n = 1, taken, 1000 do
      redis.call('RPUSH', list, unpack(requests, n, math.min(n + 999, taken)))
    end
    if taken > 0 then
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
      ring_lane(ref, depth + taken)
    end
  end
  at = at + 5 + 2 * count
end
return answer
