-- How jobs move from state to state. Shared by the ledger's scripts.

local YET_TO_START = { WAITING = true, QUEUED = true }
-- How long a job is left to a newer Stoker, whose queue or priority it has.
local LEFT_MS = 10000

-- A job waits no longer for a worker that knows what it needs: see unserved.lua.
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
    -- Parts of a job are none of their own.
    if kind ~= PART_KIND then
      kinds[#kinds + 1] = kind
    end
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

-- Moves a record from one state to another, in its hash and in every index. Answers its kind.
local function move(id, to)
  local kind, from, sequence, tenant, needs, queue, parent =
    unpack(record(id, 'kind', 'state', 'sequence', 'tenant', 'needs', 'queue', 'parent'))
  if from then
    redis.call('ZREM', index_of(kind, from, queue), id)
  end
  redis.call('ZADD', index_of(kind, to, queue), sequence, id)
  redis.call('HSET', KEY.job .. id, 'state', to)
  -- Of a job in parts, the job itself is counted, which waits for them.
  if not parent and YET_TO_START[to] and not YET_TO_START[from] then
    redis.call('HINCRBY', KEY.queued, tenant or '', 1)
  elseif not parent and YET_TO_START[from] and not YET_TO_START[to] then
    count_down(KEY.queued, tenant or '')
  end
  if from == 'QUEUED' then
    redis.call('ZREM', KEY.fallback .. (queue or ''), id)
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
    if needs then
      stop_waiting_for_worker(id, needs)
    end
  end
  return kind
end

-- An attempt has told something of its job: a lease is renewed by its slot, also while the job hangs.
local function note_life(id)
  redis.call('HSET', KEY.job .. id, 'last_event_at', now_ms())
  redis.call('ZADD', KEY.last_events, now_ms(), id)
end

local function note_progress(id, progress, event_id)
  redis.call('HSET', KEY.job .. id, 'progress', progress, 'progress_id', event_id)
end

-- Puts a job on its queue.
local function enqueue(id, reason)
  local now = now_ms()
  local state, queue, priority, tenant, sequence, may_fall_back =
    unpack(record(id, 'state', 'queue', 'priority', 'tenant', 'sequence', 'may_fall_back'))
  if not (QUEUE[queue] and STEP[priority]) then
    if state ~= 'WAITING' then
      move(id, 'WAITING')
    end
    redis.call('ZADD', KEY.due, now + LEFT_MS, id)
    return
  end
  move(id, 'QUEUED')
  redis.call('HSET', KEY.job .. id, 'queued_at', now)
  append_event(id, { type = 'queued', queue = queue, reason = reason })
  if may_fall_back then
    redis.call('ZADD', KEY.fallback .. queue, now, id)
  end
  line_up(id, queue, priority, tenant or '', sequence)
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

-- A job has ended and needs its part of the store no more, with checkpoints that no ledger has ever heard of.
local function discard_all(id)
  redis.call('HDEL', KEY.job .. id, 'checkpoints')
  if redis.call('HEXISTS', KEY.job .. id, 'keeps_nothing') == 0 then
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
local function remember_attempt(id, how, reason)
  local kind, attempt, worker, started_at, queue =
    unpack(record(id, 'kind', 'attempt', 'worker', 'started_at', 'queue'))
  started_at = tonumber(started_at or nil) or now_ms()
  observe('attempt ' .. kind .. ' ' .. how, now_ms() - started_at, BOUNDS.time)
  if how == 'SUCCEEDED' or how == 'FAILED' then
    learn_service(queue, kind, now_ms() - started_at)
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
  redis.call('RPUSH', KEY.history .. id, cjson.encode({ attempt = tonumber(attempt or nil), worker = worker or '',
    how = how, reason = reason, started_at = started_at, ended_at = now_ms(), log = table.concat(log, '\n') }))
  -- Drains and outages may be any number.
  redis.call('LTRIM', KEY.history .. id, -MOST_ATTEMPTS, -1)
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
  move(id, 'WAITING')
  redis.call('HSET', KEY.job .. id, 'outage',
    cjson.encode({ of = of, reason = reason, since = since, times = times }))
  append_event(id, { type = 'waiting', not_before = due_ms, reason = reason })
  redis.call('ZADD', KEY.due, due_ms, id)
end

local CELERY = { SUCCEEDED = 'SUCCESS', FAILED = 'FAILURE', DEAD = 'FAILURE', CANCELLED = 'REVOKED' }
local ERROR = { FAILED = 'JobFailed', DEAD = 'JobDead', CANCELLED = 'JobCancelled' }

-- Puts what scripts can read in the place of what something else has written to a record.
local function make_sound(id, flaws)
  for _, form in ipairs(FORMS) do
    local name, _, default = unpack(form)
    if flaws[name] and default then
      redis.call('HSET', KEY.job .. id, name, default)
    elseif flaws[name] then
      redis.call('HDEL', KEY.job .. id, name)
    end
  end
  if flaws.kind then
    redis.call('SADD', KEY.kinds, 'unknown')
  end
  local field, flaw = next(flaws)
  note_damage(KEY.job .. id, field .. ' is ' .. flaw)
end

-- Why a job with a damaged record ends.
local function reason_of_damage(flaws)
  local field, flaw = next(flaws)
  return 'its record is damaged, ' .. field .. ' is ' .. flaw .. ': something else than Stoker has written to it'
end

-- Ends one job: state, result, last event, Celery's copy.
-- `outcome` has `result` (JSON), or `reason` and `traceback` (texts, nil or '' for none).
local function settle(id, state, outcome, iso)
  local now = now_ms()
  local _, flaws = examine(id)
  if next(flaws) then
    make_sound(id, flaws)
  end
  local before, attempt = unpack(record(id, 'state', 'attempt'))
  if before == 'RUNNING' then
    remember_attempt(id, state, outcome.reason)
  end
  local kind = move(id, state)
  redis.call('ZADD', KEY.finished, now, id)
  redis.call('HSET', KEY.job .. id, 'finished_at', now)
  redis.call('HDEL', KEY.job .. id, 'outage')
  tally('finished ' .. kind .. ' ' .. state, 1)
  if state ~= 'DEAD' then
    discard_all(id)
  end
  if state == 'SUCCEEDED' then
    redis.call('HSET', KEY.job .. id, 'result', outcome.result)
    append_event(id, { type = 'finished', state = state })
    tell_celery(id, attempt, CELERY[state], outcome.result, 'null', iso)
    return
  end
  local traceback = outcome.traceback or ''
  redis.call('HSET', KEY.job .. id, 'reason', outcome.reason, 'traceback', traceback)
  append_event(id, { type = 'finished', state = state, reason = outcome.reason })
  local raised = '{"exc_type":"' .. ERROR[state] .. '","exc_message":[' .. cjson.encode(outcome.reason)
    .. '],"exc_module":"stoker.errors"}'
  tell_celery(id, attempt, CELERY[state], raised, traceback ~= '' and cjson.encode(traceback) or 'null', iso)
end

-- Forgets a job that has ended.
local function forget(id)
  local kind, state, queue, key = unpack(record(id, 'kind', 'state', 'queue', 'idempotency_key'))
  if kind then
    redis.call('ZREM', index_of(kind, state or '', queue), id)
  end
  if key and string.match(redis.call('GET', KEY.idempotency .. key) or '', '^%S+') == id then
    redis.call('DEL', KEY.idempotency .. key)
  end
  if state == 'DEAD' then
    discard_all(id)
  end
  redis.call('ZREM', KEY.finished, id)
  redis.call('SREM', KEY.untold, id)
  redis.call('DEL', KEY.job .. id, KEY.events .. id, KEY.history .. id, KEY.after .. id, KEY.meta .. id)
end

-- Whether a field of a job's parts is the id of one: it begins with the job's.
local function is_part_of(id, part)
  return string.sub(part, 1, #id + 1) == id .. '-' and string.find(part, '%d$')
end

-- The results of all parts of a job as one, in the order of the parts. Raises where something else has written to them.
local function merged(id, results, started_at)
  local whole, parts = nil, {}
  for n = 1, #results, 2 do
    if is_part_of(id, results[n]) then
      parts[#parts + 1] = { tonumber(string.match(results[n], '%d+$')), cjson.decode(results[n + 1]) }
    end
  end
  table.sort(parts, function(a, b) return a[1] < b[1] end)
  for _, part in ipairs(parts) do
    local one = part[2]
    if whole then
      whole.rows = whole.rows + one.rows
      for _, chunk in ipairs(one.chunks) do
        whole.chunks[#whole.chunks + 1] = chunk
      end
    else
      whole = one
    end
  end
  whole.rows_per_s = whole.rows * 1000 / math.max(1, now_ms() - started_at)
  return cjson.encode(whole)
end

-- How a job ends whose parts have all ended: its state and its outcome.
local function end_of_parts(id)
  local started_at = tonumber(redis.call('HGET', KEY.job .. id, 'started_at') or nil) or now_ms()
  local is_whole, result = pcall(merged, id, redis.call('HGETALL', KEY.parts .. id), started_at)
  if is_whole then
    return 'SUCCEEDED', { result = result }
  end
  return 'FAILED', { reason = 'the result of a part cannot be read: something else than Stoker has written to '
    .. KEY.parts .. id }
end

-- A part of a job has ended, and is forgotten: what counts of it is kept with the job. Answers the job, its state and its
-- outcome if it ends with this part: when all have succeeded, or one has not.
local function end_part(id, state, outcome)
  local parent, summary = unpack(record(id, 'parent', 'summary'))
  if not parent then
    return nil
  end
  local parts = KEY.parts .. parent
  -- Once it has ended there is no record of it: whatever stands there now is no result of its own.
  local is_open = redis.call('HEXISTS', parts, id) == 1
  if is_open and state == 'DEAD' then
    for _, past in ipairs(redis.call('LRANGE', KEY.history .. id, 0, -1)) do
      redis.call('RPUSH', KEY.history .. parent, past)
    end
  end
  forget(id)
  if not is_open then
    return nil
  elseif state ~= 'SUCCEEDED' then
    return parent, state, { reason = (summary or id) .. ': ' .. outcome.reason, traceback = outcome.traceback }
  end
  redis.call('HSET', parts, id, outcome.result)
  local total = tonumber(redis.call('HGET', KEY.job .. parent, 'part_rows') or nil)
  local progress = cjson.encode({ type = 'progress', stage = 'predicting', unit = 'rows', total = total,
    done = redis.call('HINCRBY', KEY.job .. parent, 'done_rows', cjson.decode(outcome.result).rows) })
  note_progress(parent, progress, redis.call('XADD', KEY.events .. parent, 'MAXLEN', '~', 10000, '*', 'event', progress))
  redis.call('HSET', KEY.job .. parent, 'last_event_at', now_ms())
  if redis.call('HINCRBY', KEY.job .. parent, 'open_parts', -1) == 0 then
    return parent, end_of_parts(parent)
  end
end

-- A job has ended: what is left of its parts is cancelled.
local function cancel_parts(id, iso)
  for _, part in ipairs(redis.call('HKEYS', KEY.parts .. id)) do
    local state = redis.call('HGET', KEY.job .. part, 'state')
    if state == 'RUNNING' then
      redis.call('HSET', KEY.job .. part, 'cancel', 1)
    elseif state then
      settle(part, 'CANCELLED', { reason = 'job ' .. id .. ', of which it is a part, has ended' }, iso)
      forget(part)
    end
  end
  redis.call('DEL', KEY.parts .. id)
end

-- Ends a job, and with it the waiting of those that come after: they are queued, or cancelled if it did not succeed.
-- A job is settled as soon as it is found: it may come after several of those that end here, and ends once.
local function finish(id, state, outcome, iso)
  settle(id, state, outcome, iso)
  local ended = { { id, state, outcome } }
  while #ended > 0 do
    local one, its_state, its_outcome = unpack(table.remove(ended))
    for _, next_id in ipairs(redis.call('SMEMBERS', KEY.after .. one)) do
      local next_state, flaws = examine(next_id)
      if next_state == 'WAITING' then
        if next(flaws) then
          settle(next_id, 'FAILED', { reason = reason_of_damage(flaws) }, iso)
          ended[#ended + 1] = { next_id, 'FAILED', {} }
        elseif its_state ~= 'SUCCEEDED' then
          local reason = 'job ' .. one .. ', which it comes after, is ' .. its_state
          settle(next_id, 'CANCELLED', { reason = reason }, iso)
          ended[#ended + 1] = { next_id, 'CANCELLED', {} }
        elseif redis.call('HINCRBY', KEY.job .. next_id, 'blockers', -1) == 0 then
          enqueue_when_due(next_id, tonumber(redis.call('HGET', KEY.job .. next_id, 'not_before')), nil)
        end
      end
    end
    redis.call('DEL', KEY.after .. one)
    cancel_parts(one, iso)
    local parent, its_end, told = end_part(one, its_state, its_outcome)
    if parent then
      settle(parent, its_end, told, iso)
      ended[#ended + 1] = { parent, its_end, told }
    end
  end
end

-- Ends a job whose record something else has written to: it cannot be run, and stands in nobody's way.
local function condemn(id, flaws, iso)
  finish(id, 'FAILED', { reason = reason_of_damage(flaws) }, iso)
end

-- What lies under keys that jobs share and is of another type: of each the key, that type, and the one it should have.
local function misplaced()
  local found = {}
  local function look(key, kind)
    local its_kind = type_of(key)
    if its_kind ~= 'none' and its_kind ~= kind then
      found[#found + 1] = { key, its_kind, kind }
    end
  end
  for name, kind in pairs(TYPE) do
    look(KEY[name], kind)
  end
  for _, queue in ipairs(QUEUES) do
    look(KEY.fallback .. queue, 'zset')
    look(KEY.gathering .. queue, 'string')
    for _, priority in ipairs(RANKED) do
      look(KEY.rung .. queue .. ':' .. priority, 'zset')
      look(KEY.tenants .. queue .. ':' .. priority, 'zset')
    end
  end
  return found
end

-- Forgets a worker, and what was asked of it.
local function forget_worker(name)
  redis.call('ZREM', KEY.seen, name)
  redis.call('HDEL', KEY.workers, name)
  redis.call('HDEL', KEY.wanted, name)
end

-- Points a model's alias at a version, and notes that it did.
local function move_alias(model, alias, version, by)
  local before = redis.call('HGET', KEY.aliases .. model, alias)
  redis.call('HSET', KEY.aliases .. model, alias, version)
  redis.call('LPUSH', KEY.moves .. model, cjson.encode({ alias = alias, from = tonumber(before or nil),
    to = tonumber(version), by = by, at = now_ms() }))
  redis.call('LTRIM', KEY.moves .. model, 0, 999)
end

-- Counts what is no job of ours, and keeps the newest of it for a look. `told` is JSON.
local function put_aside(reason, told, kept)
  redis.call('HINCRBY', KEY.quarantined, reason, 1)
  redis.call('LPUSH', KEY.quarantine, told)
  redis.call('LTRIM', KEY.quarantine, 0, kept - 1)
end
