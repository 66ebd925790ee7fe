-- How jobs move from state to state. Shared by the ledger's scripts.

local YET_TO_START = { WAITING = true, QUEUED = true }
-- How long a job is left to a newer Stoker, whose queue or priority it has.
local LEFT_MS = 10000

-- A job waits no longer for a worker that has what it needs: see unserved.lua.
local function stop_waiting_for_worker(id, needs)
  redis.call('ZREM', KEY.unserved .. needs, id)
  redis.call('HDEL', KEY.job .. id, 'needs', 'reason')
  if redis.call('EXISTS', KEY.unserved .. needs) == 0 then
    redis.call('SREM', KEY.needs, needs)
  end
end

-- The kinds of jobs there are: those that this version knows, and those that a newer one has submitted.
local function all_kinds()
  local kinds, listed = {}, {}
  for kind in pairs(KIND) do
    listed[kind] = true
  end
  for _, kind in ipairs(redis.call('SMEMBERS', KEY.kinds)) do
    listed[kind] = true
  end
  for kind in pairs(listed) do
    kinds[#kinds + 1] = kind
  end
  return kinds
end

local function device_of(queue)
  local device = string.match(queue or '', '^%l+')
  return device and QUEUE[device .. '.train'] and device or 'cpu'
end

-- The index of the jobs of a kind that are in one state on the device of a queue.
local function index_of(kind, state, queue)
  return KEY.jobs .. kind .. ':' .. state .. ':' .. device_of(queue)
end

-- The indexes of the jobs of a kind that are in one state, of all devices.
local function indexes_of(kind, state)
  local indexes = {}
  for _, queue in ipairs(QUEUES) do
    local index = index_of(kind, state, queue)
    if index ~= indexes[#indexes] then
      indexes[#indexes + 1] = index
    end
  end
  return indexes
end

-- Moves a record from one state to another, in its hash and in every index. Returns its kind.
-- `job` is the record, if it was read before; further names and values are written into it as well.
local function move(id, to, job, ...)
  job = job or fields_of(id, 'kind', 'state', 'sequence', 'tenant', 'needs', 'queue')
  local kind, from, tenant, queue = job.kind, job.state, job.tenant, job.queue
  if from then
    redis.call('ZREM', index_of(kind, from, queue), id)
  end
  redis.call('ZADD', index_of(kind, to, queue), job.sequence, id)
  redis.call('HSET', KEY.job .. id, 'state', to, ...)
  if YET_TO_START[to] and not YET_TO_START[from] then
    redis.call('HINCRBY', KEY.queued, tenant or '', 1)
  elseif YET_TO_START[from] and not YET_TO_START[to] then
    count_down(KEY.queued, tenant or '')
  end
  if YET_TO_START[from] and device_of(queue) == 'gpu' then
    redis.call('ZREM', KEY.fallback .. queue, id)
  end
  if from == 'QUEUED' and to == 'RUNNING' then
    start(id)
  elseif from == 'QUEUED' then
    withdraw(id)
  elseif from == 'RUNNING' then
    stop(id)
    redis.call('ZREM', KEY.leases, id)
    redis.call('ZREM', KEY.last_events, id)
    redis.call('HDEL', KEY.job .. id, 'owner', 'lease_until', 'told', 'gang')
  elseif from == 'WAITING' then
    redis.call('ZREM', KEY.due, id)
    if job.needs then
      stop_waiting_for_worker(id, job.needs)
    end
  end
  return kind
end

-- Notes that a running job has sent an event: its slot renews the lease also while the job hangs.
local function note_activity(id)
  redis.call('HSET', KEY.job .. id, 'last_event_at', now_ms())
  redis.call('ZADD', KEY.last_events, now_ms(), id)
end

local function note_progress(id, progress, event_id)
  redis.call('HSET', KEY.job .. id, 'progress', progress, 'progress_id', event_id)
end

-- Puts a job on its queue; a paused one waits until it is resumed, see pausing.lua. A step of a job that goes on with each of
-- its children, or that has waited, is no event: there may be hundreds.
local function enqueue(id, reason, is_step)
  local now = now_ms()
  local state, queue, priority, tenant, sequence, turn, may_fall_back, paused, awaits_wake = unpack(record(id, 'state', 'queue',
    'priority', 'tenant', 'sequence', 'turn', 'may_fall_back', 'paused', 'awaits_wake'))
  if awaits_wake then
    redis.call('HSET', KEY.job .. id, 'is_woken', 1)
    redis.call('HDEL', KEY.job .. id, 'wake_at')
  end
  if paused then
    move(id, 'WAITING')
    if state ~= 'WAITING' then
      append_event(id, { type = 'waiting', reason = 'paused' })
    end
    return
  end
  if not (QUEUE[queue] and STEP[priority]) then
    if state ~= 'WAITING' then
      move(id, 'WAITING')
    end
    redis.call('ZADD', KEY.due, now + LEFT_MS, id)
    return
  end
  move(id, 'QUEUED')
  redis.call('HSET', KEY.job .. id, 'queued_at', now)
  if awaits_wake then
    redis.call('HDEL', KEY.job .. id, 'reason')
  elseif not is_step then
    append_event(id, { type = 'queued', queue = queue, reason = reason })
  end
  if may_fall_back then
    redis.call('ZADD', KEY.fallback .. queue, now, id)
  end
  line_up(id, queue, priority, tenant or '', turn or sequence)
end

-- A job that waits goes on: see wait.lua. One that does not wait, or not any more, will not wait the next time.
-- Returns whether there is such a job.
local function wake_waiting(id)
  local state, awaits_wake, is_woken = unpack(record(id, 'state', 'awaits_wake', 'is_woken'))
  if not (YET_TO_START[state] or state == 'RUNNING') then
    return false
  end
  redis.call('HSET', KEY.job .. id, 'is_woken', 1)
  -- One that has been woken before may wait for something else by now.
  if state == 'WAITING' and awaits_wake and not is_woken then
    enqueue(id)
  end
  return true
end

-- Lets a job wait until a time, if that lies ahead and nothing else holds it; else queues it.
local function enqueue_when_due(id, due_ms, reason)
  if due_ms and due_ms > now_ms() then
    redis.call('ZADD', KEY.due, due_ms, id)
  else
    enqueue(id, reason)
  end
end

local function checkpoints_of(id)
  local listed = redis.call('HGET', KEY.job .. id, 'checkpoints') or '[]'
  return lists_artifacts(listed) and cjson.decode(listed) or {}
end

-- Notes checkpoints whose files nobody needs, but for those that the job lists: two attempts at it, or one attempt twice,
-- may have saved the same bytes. A file is deleted by whoever reads these notes, not by who made it: so a worker that
-- dies leaves none behind.
local function discard(id, artifacts)
  local listed = {}
  for _, artifact in ipairs(checkpoints_of(id)) do
    listed[artifact.digest] = true
  end
  for _, artifact in ipairs(artifacts) do
    if not listed[artifact.digest] then
      redis.call('HSET', KEY.discarded, id .. '/' .. artifact.digest, cjson.encode(artifact))
    end
  end
end

-- A job has ended and needs its part of the store no more, with checkpoints that were never listed.
local function discard_all(id, job)
  if job.checkpoints then
    redis.call('HDEL', KEY.job .. id, 'checkpoints')
  end
  if not job.keeps_nothing then
    redis.call('SADD', KEY.ended, id)
  end
end

-- Lists new checkpoints of a job behind those it has, the newest last and each once, and keeps so many of them.
local function list_checkpoints(id, new, keep)
  local all, newest, kept, is_listed = checkpoints_of(id), {}, {}, {}
  for _, artifact in ipairs(new) do
    all[#all + 1] = artifact
  end
  for n = #all, 1, -1 do
    local artifact = all[n]
    if not is_listed[artifact.digest] and #newest < keep then
      is_listed[artifact.digest] = true
      newest[#newest + 1] = artifact
      redis.call('HDEL', KEY.discarded, id .. '/' .. artifact.digest)
    end
  end
  for n = #newest, 1, -1 do
    kept[#kept + 1] = newest[n]
  end
  redis.call('HSET', KEY.job .. id, 'checkpoints', cjson.encode(kept))
  redis.call('HDEL', KEY.job .. id, 'outage', 'setbacks')
  discard(id, all)
end

-- A job is paused no longer.
local function clear_pause(id)
  redis.call('HDEL', KEY.job .. id, 'paused')
  redis.call('ZREM', KEY.paused, id)
end

-- Notes how long a job ran: the mean follows the last 50 or so of its kind and device.
local function learn_service(queue, kind, took_ms)
  local field = device_of(queue) .. ' ' .. kind
  local mean, count = string.match(redis.call('HGET', KEY.service, field) or '', '^(%S+) (%d+)$')
  mean, count = tonumber(mean) or 0, math.min((tonumber(count) or 0) + 1, 50)
  -- The clock may have been set back.
  took_ms = math.max(0, took_ms)
  redis.call('HSET', KEY.service, field, string.format('%.3f %d', mean + (took_ms - mean) / count, count))
end

local MOST_ATTEMPTS = 100
-- Notes how an attempt ended, with the last lines that the job logged.
local function remember_attempt(id, how, reason, job)
  job = job or fields_of(id, 'kind', 'attempt', 'worker', 'started_at', 'queue', 'tenant', 'slots', 'makes', 'model')
  local took_ms = count_time(how, job)
  if how == 'SUCCEEDED' or how == 'FAILED' then
    learn_service(job.queue, job.kind, took_ms)
  end
  local log = {}
  for _, entry in ipairs(redis.call('XREVRANGE', KEY.events .. id, '+', '-', 'COUNT', 50)) do
    local is_json, event = pcall(cjson.decode, entry[2][2])
    -- Something else may have written there too.
    event = is_json and type(event) == 'table' and event or {}
    if event.type == 'started' or #log == 10 then
      break
    elseif event.type == 'log' and type(event.line) == 'string' then
      table.insert(log, 1, event.line)
    end
  end
  local attempts = redis.call('RPUSH', KEY.history .. id, cjson.encode({ attempt = tonumber(job.attempt),
    worker = job.worker or '', how = how, reason = reason, started_at = now_ms() - took_ms, ended_at = now_ms(),
    log = table.concat(log, '\n') }))
  -- Drains and outages may be any number.
  if attempts > MOST_ATTEMPTS then
    redis.call('LTRIM', KEY.history .. id, -MOST_ATTEMPTS, -1)
  end
end

-- Of the progress that a job tells at each of its steps, the newest stays.
local function drop_older_progress(id)
  local has_newest
  for _, entry in ipairs(redis.call('XREVRANGE', KEY.events .. id, '+', '-', 'COUNT', 20)) do
    local is_json, event = pcall(cjson.decode, entry[2][2])
    if is_json and type(event) == 'table' and event.type == 'progress' then
      if has_newest then
        redis.call('XDEL', KEY.events .. id, entry[1])
      end
      has_newest = true
    end
  end
end

-- Counts a step, which is no lost attempt: a job that has got so far is not what kills its workers.
local function count_step(id, how)
  local job = fields_of(id, 'kind', 'started_at', 'tenant', 'slots', 'makes', 'model')
  redis.call('HSETNX', KEY.job .. id, 'began_at', now_ms() - count_time(how, job))
  redis.call('HSET', KEY.job .. id, 'losses', 0)
  redis.call('HDEL', KEY.job .. id, 'setbacks', 'outage')
  drop_older_progress(id)
  return redis.call('HINCRBY', KEY.job .. id, 'steps', 1)
end

-- Lets a job wait until a time.
local function wait_until(id, due_ms, reason)
  move(id, 'WAITING')
  append_event(id, { type = 'waiting', not_before = due_ms, reason = reason })
  redis.call('ZADD', KEY.due, due_ms, id)
end

-- Lets a job wait because something is away that it needs: a second first, then a second more each time, up to a minute.
-- No longer, because who has met the outage takes no job before it is over.
-- What that is, why and since when is kept until the job has got further, so that its status can say so.
local LONGEST_OUTAGE_WAIT_MS = 60000
local function await_outage(id, of, reason)
  local is_json, before = pcall(cjson.decode, redis.call('HGET', KEY.job .. id, 'outage') or 'null')
  local goes_on = is_json and type(before) == 'table' and before.of == of and tonumber(before.since)
  local times = (goes_on and tonumber(before.times) or 0) + 1
  local since = goes_on and before.since or now_ms()
  local due_ms = now_ms() + math.min(1000 * times, LONGEST_OUTAGE_WAIT_MS)
  redis.call('HSET', KEY.job .. id, 'outage',
    cjson.encode({ of = of, reason = reason, since = since, times = times }))
  wait_until(id, due_ms, reason)
end
