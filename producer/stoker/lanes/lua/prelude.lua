-- Shared by the scripts of the lanes.

local PRIORITIES = { 'high', 'normal', 'low' }
-- A doorbell may be lost if no worker has received it after this long.
local BELL_MS = 10000
-- After so long a worker should have taken one from its mailbox.
local POSTED_MS = 2000
-- A lane wants one more drainer for every so many requests that wait.
local SPREAD = 1024
-- How long answers are kept after the last deadline of their batch.
local ANSWERS_KEPT_MS = 10000
-- Deadlines that are further away count as this one: a week.
local LONGEST_MS = 604800000
-- How long a result for Celery can be read.
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

-- How many drainers a number of requests keeps busy.
local function drainers_for(depth)
  return depth > 0 and 1 + math.floor(depth / SPREAD) or 0
end

-- How many slots serve a queue, at least 2: half of the ledger's window.
local function slots_of(queue)
  return window_of(queue) / 2
end

-- How many drainers with a valid lease a lane has, and how many it wants: no more than there are slots.
local function drainers_of(ref, depth)
  local present = redis.call('ZCOUNT', LANE.lane_drainers .. ref, now_ms(), '+inf')
  local wanted = drainers_for(depth)
  if wanted > 1 then
    wanted = math.min(wanted, slots_of(redis.call('GET', LANE.lane_queue .. ref) or ''))
  end
  return present, wanted
end

-- The Celery queue that a doorbell was sent to.
local function queue_of_bell(bell)
  return string.match(bell, '"routing_key":"([^"]*)"') or ''
end

-- The words that the version behind a lane needs of its workers: the author's modules with classes of its.
local function needs_of_lane(ref)
  local readable, manifest = pcall(version_behind, ref)
  local words = {}
  -- Most versions need none, and are not parsed.
  if readable and manifest and string.find(manifest, '"modules":{"', 1, true) then
    local is_json, version = pcall(cjson.decode, manifest)
    for module in pairs(is_json and type(version.modules) == 'table' and version.modules or {}) do
      words[#words + 1] = 'module:' .. module
    end
    table.sort(words)
  end
  return words
end

-- The live workers that have what a lane needs: of the device that its doorbells go to, or else of another one.
local function servers_of(queue, words)
  local able_workers = able()
  local servers = able_workers(queue, words)
  for _, other in ipairs(QUEUES) do
    if #servers == 0 and string.find(other, '%.infer$') then
      servers = able_workers(other, words)
    end
  end
  return servers
end

-- Where the next doorbell of a lane goes: if not every worker can serve its version, into the mailbox of one that can, and
-- that has not left the last one lying if there is another. If none can, any worker receives it, and tells the callers.
local function place_of_bell(ref, queue, left_lying)
  local words, others = needs_of_lane(ref), {}
  if #words == 0 then
    return queue
  end
  local _, roomiest = able()
  local servers = servers_of(queue, words)
  for _, worker in ipairs(servers) do
    if not left_lying[worker.mailbox] then
      others[#others + 1] = worker
    end
  end
  local worker = roomiest(others) or others[1] or servers[1]
  return worker and worker.mailbox or queue
end

-- Counts the doorbells that a worker may still receive. One whose time is over counts as long as it is in its queue; in a
-- mailbox it is withdrawn then. Also returns the mailboxes that one was withdrawn from.
local function bells_of(ref)
  local now, left_lying = now_ms(), {}
  for _, bell in ipairs(redis.call('ZRANGEBYSCORE', LANE.bells .. ref, '-inf', now)) do
    local queue = queue_of_bell(bell)
    local list = queue .. SEPARATOR .. STEP.high
    if QUEUE[queue] and redis.call('LPOS', list, bell) then
      redis.call('ZADD', LANE.bells .. ref, now + BELL_MS, bell)
    else
      redis.call('ZREM', LANE.bells .. ref, bell)
      left_lying[queue] = redis.call('LREM', list, 1, bell) == 1
    end
  end
  return redis.call('ZCARD', LANE.bells .. ref), left_lying
end

-- Sends a doorbell if a lane has fewer drainers and doorbells than it wants drainers.
local function ring_lane(ref, depth)
  if depth == 0 then
    return
  end
  local present, wanted = drainers_of(ref, depth)
  local queue = present < wanted and redis.call('GET', LANE.lane_queue .. ref)
  if not queue then
    return
  end
  local bells, left_lying = bells_of(ref)
  if present + bells < wanted then
    local place = place_of_bell(ref, queue, left_lying)
    local _, _, message = push_message('stoker.drain', ref, place, 'high', ref)
    redis.call('ZADD', LANE.bells .. ref, now_ms() + (place == queue and BELL_MS or POSTED_MS), message)
  end
end

-- Forgets a lane without requests and drainers; rings for one that wants more drainers than it has.
local function settle_lane(ref)
  local depth = depth_of(ref)
  if depth == 0 and redis.call('EXISTS', LANE.lane_drainers .. ref) == 0 then
    redis.call('SREM', LANE.lanes, ref)
    redis.call('DEL', LANE.lane_queue .. ref, LANE.bells .. ref)
  else
    ring_lane(ref, depth)
  end
end

-- The lists of the requests that a drainer has taken, by priority.
local function taken_lists(drainer)
  local lists = {}
  for n, priority in ipairs(PRIORITIES) do
    lists[n] = LANE.taken .. drainer .. ':' .. priority
  end
  return lists
end

local function count_taken(drainer)
  local count = 0
  for _, list in ipairs(taken_lists(drainer)) do
    count = count + redis.call('LLEN', list)
  end
  return count
end

-- Counts the requests that a lane has answered today, by model: see the ledger's usage.lua.
local function count_predictions(ref, answered)
  local day = KEY.usage .. string.format('%d', math.floor(now_ms() / 86400000))
  local field = 'predictions ' .. cjson.encode({ '', 'lane', string.match(ref, '^[^@]*') })
  if redis.call('HINCRBY', day, field, answered) == answered then
    redis.call('EXPIRE', day, 400 * 86400)
  end
end

-- The requests that a drainer has taken, in that order.
local function taken_by(drainer)
  local batch = {}
  for _, list in ipairs(taken_lists(drainer)) do
    for _, request in ipairs(redis.call('LRANGE', list, 0, -1)) do
      batch[#batch + 1] = request
    end
  end
  return batch
end

-- Returns a drainer's requests to the front of their lane, in order and by priority. Returns how many.
local function put_back(ref, drainer)
  local count = 0
  for n, list in ipairs(taken_lists(drainer)) do
    local lane = lane_list(ref, PRIORITIES[n])
    -- A WRONGTYPE error of LMOVE would not name the key: LLEN finds out about the lane first.
    redis.call('LLEN', lane)
    while redis.call('LMOVE', list, lane, 'RIGHT', 'LEFT') do
      count = count + 1
    end
  end
  return count
end

local function forget_drainer(ref, drainer)
  redis.call('ZREM', LANE.lane_drainers .. ref, drainer)
  redis.call('ZREM', LANE.drainers, drainer .. ' ' .. ref)
  redis.call('LREM', LANE.idle .. ref, 0, drainer)
  redis.call('DEL', LANE.turn .. drainer)
end

-- Renews a drainer's lease, unless nine tenths of it are left: a busy one takes hundreds of batches within a lease. Returns
-- whether it still is one of the lane's.
local function renew(ref, drainer, lease_ms)
  local lease_until, ends = now_ms() + lease_ms, tonumber(redis.call('ZSCORE', LANE.lane_drainers .. ref, drainer) or nil)
  if not ends then
    return false
  end
  if ends <= lease_until and ends > lease_until - lease_ms / 10 then
    return true
  end
  redis.call('ZADD', LANE.lane_drainers .. ref, lease_until, drainer)
  redis.call('ZADD', LANE.drainers, lease_until, drainer .. ' ' .. ref)
  return true
end

-- The last deadline in a batch, ms, as text. A request that Stoker has not written may hold any number.
local function last_deadline_of(batch)
  local last, furthest = 0, now_ms() + LONGEST_MS
  for _, request in ipairs(batch) do
    local deadline = #request >= 8 and struct.unpack('<d', request) or 0
    if deadline > last then
      last = math.min(deadline, furthest)
    end
  end
  return string.format('%.0f', last)
end

-- Moves up to `count` requests from a lane to a drainer; a request is `<deadline in ms as a double><the rest>`.
local function take_from(ref, drainer, count)
  local batch, lists = {}, taken_lists(drainer)
  for n, priority in ipairs(PRIORITIES) do
    local wanted = count - #batch
    local popped = wanted > 0 and redis.call('LPOP', lane_list(ref, priority), wanted) or {}
    -- In slices, because unpack puts all of them on Lua's stack.
    for m = 1, #popped, 1000 do
      redis.call('RPUSH', lists[n], unpack(popped, m, math.min(m + 999, #popped)))
    end
    for _, request in ipairs(popped) do
      batch[#batch + 1] = request
    end
  end
  return batch
end

-- The alias that a lane is named by: its model, its name, and the number that it points at, as text; nothing for a lane of
-- one version, or of the newest.
local function alias_of_lane(ref)
  local model, alias = string.match(ref, '^([%w._-]+)@?([%w._-]*)$')
  if not model or alias == 'latest' then
    return nil
  end
  alias = alias ~= '' and alias or 'champion'
  local number = redis.pcall('HGET', KEY.aliases .. model, alias)
  if type(number) == 'string' then
    return model, alias, number
  end
end

-- Ends a route whose version fails, and wakes its job.
local function give_up_route(model, alias, route, why)
  local _, _, end_route = routes()
  end_route(model, alias, route, 'closed', why)
  wake(route.job)
end

-- Adds what was counted of a batch to the evidence of its route, unless that has ended; ends the route of a version that has
-- failed from its first request on. What was counted stands in ARGV from `first` to `last`, as name, count, …: it may be more
-- than Lua's stack holds. `news` is what the route is to say where it says nothing yet, and, as `error`, what the evidence is to
-- quote if it is the first.
local function count_for_route(ref, job, news, first, last)
  local open_route, write_route = routes()
  local model, alias = alias_of_lane(ref)
  local route = model and open_route(model, alias)
  if not route or route.job ~= job then
    return
  end
  for n = first, last, 2 do
    redis.call('HINCRBY', KEY.evidence .. job, ARGV[n], ARGV[n + 1])
  end
  local is_new = false
  for name, value in pairs(cjson.decode(news)) do
    if name == 'error' then
      redis.call('HSETNX', KEY.evidence .. job, name, value)
    elseif not route[name] then
      route[name], is_new = value, true
    end
  end
  if is_new then
    write_route(model, alias, route)
  end
  for _, side in ipairs({ 'to', 'shadow' }) do
    local requests, errors, refused =
      unpack(redis.call('HMGET', KEY.evidence .. job, side .. ' requests', side .. ' errors', side .. ' refused'))
    local failed = (tonumber(errors or nil) or 0) + (tonumber(refused or nil) or 0)
    if failed >= route.hard_stop and failed >= (tonumber(requests or nil) or 0) then
      local error = redis.call('HGET', KEY.evidence .. job, 'error')
      return give_up_route(model, alias, route, 'all of the first ' .. failed .. ' requests to ' .. model .. '@' .. route.to
        .. ' failed' .. (error and ', the first with: ' .. error or ''))
    end
  end
end
