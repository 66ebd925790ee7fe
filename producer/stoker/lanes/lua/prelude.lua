-- Shared by the scripts of the lanes.

local PRIORITIES = { 'high', 'normal', 'low' }
-- A doorbell that no worker has answered after this long no longer counts: it may be lost.
local BELL_MS = 10000
-- One more drainer is wanted for every so many requests that wait.
local SPREAD = 1024
local MOST_DRAINERS = 8
-- How long a result that was asked for can be read.
local RESULT_KEPT_S = 3600

local function lane_list(ref, priority)
  return LANE.lane .. ref .. ':' .. priority
end

local function depth_of(ref)
  local depth = 0
  for _, priority in ipairs(PRIORITIES) do
    depth = depth + redis.call('LLEN', lane_list(ref, priority))
  end
  return depth
end

-- How many drainers the lane has that have not fallen silent, and how many it wants.
local function drainers_of(ref, depth)
  local there = redis.call('ZCOUNT', LANE.lane_drainers .. ref, now_ms(), '+inf')
  return there, math.min(1 + math.floor(depth / SPREAD), MOST_DRAINERS)
end

-- Rings for a lane if it has fewer drainers, on their way or there, than its depth wants.
local function ring_lane(ref, depth)
  if depth == 0 then
    return
  end
  local now = now_ms()
  local there, wanted = drainers_of(ref, depth)
  if there >= wanted then
    return
  end
  redis.call('ZREMRANGEBYSCORE', LANE.bells .. ref, '-inf', now)
  if there + redis.call('ZCARD', LANE.bells .. ref) < wanted then
    local queue = redis.call('GET', LANE.lane_queue .. ref)
    if queue then
      local _, _, message = push_message('stoker.drain', ref, queue, 'high', ref)
      redis.call('ZADD', LANE.bells .. ref, now + BELL_MS, message)
      redis.call('PEXPIRE', LANE.bells .. ref, 60000)
    end
  end
end

-- Puts requests that nobody has answered back to the front of their lane, in their order.
local function put_back(ref, drainer)
  local taken = redis.call('LRANGE', LANE.taken .. drainer, 0, -1)
  for n = #taken, 1, -1 do
    redis.call('LPUSH', lane_list(ref, 'normal'), taken[n])
  end
  redis.call('DEL', LANE.taken .. drainer)
  if #taken > 0 then
    redis.call('SADD', LANE.lanes, ref)
  end
  return #taken
end

local function forget_drainer(ref, drainer)
  redis.call('ZREM', LANE.lane_drainers .. ref, drainer)
  redis.call('ZREM', LANE.drainers, drainer .. ' ' .. ref)
  redis.call('LREM', LANE.idle .. ref, 0, drainer)
  redis.call('DEL', LANE.turn .. drainer)
end

-- A drainer's sign of life. Answers whether it is still one of the lane's.
local function renew(ref, drainer, lease_ms)
  if not redis.call('ZSCORE', LANE.lane_drainers .. ref, drainer) then
    return false
  end
  local lease_until = now_ms() + lease_ms
  redis.call('ZADD', LANE.lane_drainers .. ref, lease_until, drainer)
  redis.call('ZADD', LANE.drainers, lease_until, drainer .. ' ' .. ref)
  return true
end

-- Moves up to `count` requests from a lane into a drainer's hand; a request is `<deadline in ms as a double><the rest>`.
local function take_from(ref, drainer, count)
  local batch = {}
  for _, priority in ipairs(PRIORITIES) do
    local wanted = count - #batch
    if wanted > 0 then
      for _, request in ipairs(redis.call('LPOP', lane_list(ref, priority), wanted) or {}) do
        batch[#batch + 1] = request
      end
    end
  end
  -- In slices, because unpack puts all of them on Lua's stack.
  for n = 1, #batch, 1000 do
    redis.call('RPUSH', LANE.taken .. drainer, unpack(batch, n, math.min(n + 999, #batch)))
  end
  return batch
end
