-- Looks at some of what Redis holds, in the order of its keys, and mends what no script can have left so. A million jobs
-- are looked at in a million small steps; once damage was found, in larger ones.
-- ARGV: where the last look ended (0 to begin), how many keys to look at, ISO time
-- Answers where this one ended (0 for the end), and what was found, in words.
local cursor, most, iso = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local STATES = { 'WAITING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD' }
local IS_STATE, IS_FINAL = {}, { SUCCEEDED = true, FAILED = true, CANCELLED = true, DEAD = true }
for _, state in ipairs(STATES) do
  IS_STATE[state] = true
end
-- A job that ends when one of these is wrong: no default can stand in for what it was.
local VITAL = { kind = true, queue = true, priority = true, state = true }
local HASTE = 10

-- Notes what was mended of a job, for its own story too.
local function mended(id, what)
  note_damage(KEY.job .. id, what)
  -- The story of a job that has ended closes with its end.
  if not IS_FINAL[redis.call('HGET', KEY.job .. id, 'state')] then
    append_event(id, { type = 'log', level = 'warning', line = 'its record was damaged and is mended: ' .. what })
  end
end

local function line_of(id)
  local queue, priority, tenant = unpack(record(id, 'queue', 'priority', 'tenant'))
  return queue .. ':' .. priority, tenant or '', queue, priority
end

-- Takes a job out of every index where its state has no place.
local function leave_wrong_indexes(id, state)
  local kind = redis.call('HGET', KEY.job .. id, 'kind')
  local line, tenant, its_queue = line_of(id)
  local left = 0
  local function leave(index)
    left = left + redis.call('ZREM', index, id)
  end
  for _, other in ipairs(STATES) do
    for _, index in ipairs(indexes_of(kind, other)) do
      if index ~= index_of(kind, state, its_queue) then
        leave(index)
      end
    end
  end
  if state ~= 'RUNNING' then
    leave(KEY.leases)
    leave(KEY.last_events)
  end
  if state ~= 'WAITING' then
    leave(KEY.due)
  end
  if not IS_FINAL[state] then
    leave(KEY.finished)
  end
  if state ~= 'QUEUED' then
    leave(KEY.fallback .. its_queue)
    leave(KEY.rung .. line)
    leave(KEY.held .. line .. ':' .. tenant)
    leave_if_empty(line, tenant)
  end
  if left > 0 then
    mended(id, 'it was in indexes of other states than ' .. state)
  end
end

-- Gives a job the seat that it must have, or none.
local function fit_seat(id, must_have)
  local seat = seat_of(id)
  if must_have and not seat then
    local line, tenant = line_of(id)
    redis.call('HSET', KEY.seats, id, line .. ':' .. tenant)
    mended(id, 'it had no seat')
  elseif seat and not must_have then
    redis.call('HDEL', KEY.seats, id)
    mended(id, 'it had a seat')
  end
end

local function mend_queued(id)
  local line, tenant, queue, priority = line_of(id)
  local held = KEY.held .. line .. ':' .. tenant
  local is_rung = redis.call('ZSCORE', KEY.rung .. line, id)
  if is_rung and redis.call('ZREM', held, id) == 1 then
    leave_if_empty(line, tenant)
    mended(id, 'it was rung for and held')
  end
  local is_held = redis.call('ZSCORE', held, id)
  fit_seat(id, is_rung)
  if is_held and not redis.call('ZSCORE', KEY.tenants .. line, tenant) then
    redis.call('ZADD', KEY.tenants .. line, place_of(queue, tenant), tenant)
    mended(id, 'its tenant had no turn')
  end
  if not is_rung and not is_held then
    mended(id, 'it was queued, and on no line')
    line_up(id, queue, priority, tenant, redis.call('HGET', KEY.job .. id, 'sequence'))
  end
end

local function mend_running(id)
  local owner, worker, started_at, lease_until = unpack(record(id, 'owner', 'worker', 'started_at', 'lease_until'))
  local lease = redis.call('ZSCORE', KEY.leases, id)
  if not owner or not worker or not started_at or not lease_until then
    redis.call('HSET', KEY.job .. id, 'owner', owner or 'nobody', 'worker', worker or 'unknown',
      'started_at', started_at or now_ms(), 'lease_until', lease_until or lease or now_ms())
    mended(id, 'it ran, and had no ' .. (owner and (worker and (lease_until and 'start' or 'lease') or 'worker') or 'owner'))
  end
  if not lease then
    redis.call('ZADD', KEY.leases, lease_until or now_ms(), id)
    mended(id, 'it ran, and its lease was in no index')
  end
  fit_seat(id, true)
end

-- Where a job stands that another comes after: 'open', 'newer' (in a newer Stoker's state), the state other than SUCCEEDED
-- that it ended in, 'gone', or nil if it succeeded. One that does not succeed cancels those behind it in that step: what
-- is no more had succeeded, unless some are still noted to come after it.
local function standing_of(first, id)
  local state = redis.call('HGET', KEY.job .. first, 'state')
  if not state and redis.call('EXISTS', KEY.job .. first) == 0 then
    return redis.call('SISMEMBER', KEY.after .. first, id) == 1 and 'gone' or nil
  elseif IS_FINAL[state] then
    return state ~= 'SUCCEEDED' and state or nil
  end
  return is_state(state) and not IS_STATE[state] and 'newer' or 'open'
end

-- Reads whom a job comes after anew, and waits for those that have not ended. Answers how many those are, nil if only a
-- newer Stoker knows; and why the job is to be cancelled.
local function mend_blockers(id)
  local blockers, spec = unpack(record(id, 'blockers', 'spec'))
  local is_json, fields = pcall(cjson.decode, spec or '')
  local others = is_json and type(fields) == 'table' and type(fields.after) == 'table' and fields.after or {}
  local open, reason = 0, nil
  for _, other in ipairs(others) do
    local first = tostring(other)
    local standing = standing_of(first, id)
    if standing == 'newer' then
      return nil
    elseif standing == 'open' then
      open = open + 1
      if redis.call('SADD', KEY.after .. first, id) == 1 then
        mended(id, 'job ' .. first .. ' did not know that it comes after')
      end
    elseif standing then
      reason = 'job ' .. first .. ', which it comes after, is ' .. standing
    end
  end
  blockers = tonumber(blockers or nil) or 0
  if blockers ~= open then
    redis.call('HSET', KEY.job .. id, 'blockers', open)
  end
  return open, blockers > 0 and reason or nil
end

-- A job that waits for its parts ends with the last of them.
local function mend_parts(id)
  local open, parts = 0, redis.call('HGETALL', KEY.parts .. id)
  for n = 1, #parts, 2 do
    if parts[n + 1] == '' and is_part_of(id, parts[n]) and redis.call('EXISTS', KEY.job .. parts[n]) == 1 then
      open = open + 1
    end
  end
  if open == 0 then
    mended(id, 'it waited for parts that had all ended')
    local state, outcome = end_of_parts(id)
    finish(id, state, outcome, iso)
  elseif open ~= tonumber(redis.call('HGET', KEY.job .. id, 'open_parts') or nil) then
    redis.call('HSET', KEY.job .. id, 'open_parts', open)
    mended(id, 'it did not know how many of its parts were open')
  end
end

local function mend_waiting(id)
  local needs, not_before = unpack(record(id, 'needs', 'not_before'))
  if redis.call('EXISTS', KEY.parts .. id) == 1 then
    return mend_parts(id)
  elseif redis.call('ZSCORE', KEY.due, id)
    or needs and redis.call('ZSCORE', KEY.unserved .. needs, id) then
    return
  end
  local open, reason = mend_blockers(id)
  if open and reason then
    mended(id, 'it waited for a job that did not succeed')
    finish(id, 'CANCELLED', { reason = reason }, iso)
  elseif open == 0 then
    mended(id, 'it waited for nothing')
    redis.call('ZADD', KEY.due, tonumber(not_before or nil) or now_ms(), id)
  end
end

-- The result that Celery's copy of a job still has, as JSON.
local function result_in_copy(id)
  return string.match(redis.call('GET', KEY.meta .. id) or '', '^{"status":"SUCCESS","result":(.*),"traceback":null,')
end

local function mend_final(id, state)
  if not redis.call('ZSCORE', KEY.finished, id) then
    local finished_at = tonumber(redis.call('HGET', KEY.job .. id, 'finished_at') or nil) or now_ms()
    redis.call('ZADD', KEY.finished, finished_at, id)
    redis.call('HSET', KEY.job .. id, 'finished_at', finished_at)
    mended(id, 'it had ended, and was in no index')
  end
  fit_seat(id, false)
  if state == 'SUCCEEDED' and redis.call('HEXISTS', KEY.job .. id, 'result') == 0 then
    local result = result_in_copy(id)
    if result then
      redis.call('HSET', KEY.job .. id, 'result', result)
      mended(id, 'its result was missing')
    else
      note_damage(KEY.job .. id, 'its result is missing')
      local reason = 'its result is lost: something else than Stoker has written to its record'
      finish(id, 'FAILED', { reason = reason }, iso)
    end
  end
end

-- Puts in the place of a running or ended job's fields that are wrong what lets it go on.
local function mend_fields(id, flaws)
  for _, form in ipairs(FORMS) do
    local field, _, default = unpack(form)
    if flaws[field] and default then
      redis.call('HSET', KEY.job .. id, field, default)
    elseif flaws[field] then
      redis.call('HDEL', KEY.job .. id, field)
    end
    if flaws[field] then
      mended(id, field .. ' was ' .. flaws[field])
    end
  end
end

local function has_vital_flaw(flaws)
  for field in pairs(flaws) do
    if VITAL[field] then
      return true
    end
  end
  return false
end

local function mend_record(id)
  local state, flaws, is_known = examine(id)
  if not state and redis.call('HEXISTS', KEY.job .. id, 'owner') == 1 then
    state = 'RUNNING'
    redis.call('HSET', KEY.job .. id, 'state', state)
    mended(id, 'its state was missing')
  elseif not state then
    flaws.state = 'missing'
  end
  if next(flaws) and (has_vital_flaw(flaws) or not (state == 'RUNNING' or IS_FINAL[state])) then
    if IS_STATE[state] or not is_state(state) then
      condemn(id, flaws, iso)
    end
    return
  end
  if not IS_STATE[state] or not is_known then
    return
  end
  mend_fields(id, flaws)
  leave_wrong_indexes(id, state)
  local kind, sequence, queue = unpack(record(id, 'kind', 'sequence', 'queue'))
  if redis.call('ZADD', index_of(kind, state, queue), 'NX', sequence, id) == 1 then
    mended(id, 'it was in no index of its state')
  end
  if state == 'QUEUED' then
    mend_queued(id)
  elseif state == 'RUNNING' then
    mend_running(id)
  elseif state == 'WAITING' then
    mend_waiting(id)
  else
    mend_final(id, state)
  end
end

-- Takes ids out of an index whose records do not belong there. Looks at some of them, at random.
local function mend_index(index, belongs)
  for _, id in ipairs(redis.call('ZRANDMEMBER', index, 200)) do
    local state, kind, queue, priority, tenant = unpack(record(id, 'state', 'kind', 'queue', 'priority', 'tenant'))
    -- A newer Stoker's states have places of their own.
    if (not state or IS_STATE[state] or not is_state(state))
      and not belongs(state or '', kind or '', (queue or '') .. ':' .. (priority or ''), tenant or '') then
      redis.call('ZREM', index, id)
      note_damage(index, (state and 'a job in another state' or 'no job'))
    end
  end
end

local function is_state_of(...)
  local wanted = { ... }
  return function(state)
    for _, one in ipairs(wanted) do
      if state == one then
        return true
      end
    end
    return false
  end
end

local PLAIN_INDEXES = {
  [KEY.leases] = is_state_of('RUNNING'), [KEY.last_events] = is_state_of('RUNNING'),
  [KEY.due] = is_state_of('WAITING'),
  [KEY.finished] = is_state_of('SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD'),
}
-- Keys that go with a record.
local WITH_RECORD = { KEY.events, KEY.history, KEY.after, KEY.parts }

-- What follows a prefix in a key; nil if the key has another.
local function rest_of(key, prefix)
  return string.sub(key, 1, #prefix) == prefix and string.sub(key, #prefix + 1) or nil
end

-- The record of a job is lost: those that still wait for its end learn of it.
local function mend_those_after(lost)
  for _, id in ipairs(redis.call('SMEMBERS', KEY.after .. lost)) do
    if redis.call('HGET', KEY.job .. id, 'state') == 'WAITING' then
      mend_record(id)
    end
  end
end

local function mend_key(key)
  local id = rest_of(key, KEY.job)
  if id then
    if redis.call('HLEN', key) > 0 then
      mend_record(id)
    end
    return
  end
  if PLAIN_INDEXES[key] then
    return mend_index(key, PLAIN_INDEXES[key])
  end
  local of = rest_of(key, KEY.jobs)
  if of then
    return mend_index(key, function(state, kind, line) return key == index_of(kind, state, line) end)
  end
  local waits_on = rest_of(key, KEY.fallback)
  if waits_on then
    return mend_index(key, function(state, _, its_line) return state == 'QUEUED' and parts_of(its_line .. ':') == waits_on end)
  end
  local line = rest_of(key, KEY.rung)
  if line then
    return mend_index(key, function(state, _, its_line) return state == 'QUEUED' and its_line == line end)
  end
  local held = rest_of(key, KEY.held)
  if held then
    mend_index(key, function(state, _, its_line, tenant) return state == 'QUEUED' and its_line .. ':' .. tenant == held end)
    local queue, priority, tenant = parts_of(held)
    return queue and leave_if_empty(queue .. ':' .. priority, tenant)
  end
  local needs = rest_of(key, KEY.unserved)
  if needs then
    return mend_index(key, is_state_of('WAITING'))
  end
  local idempotency = rest_of(key, KEY.idempotency)
  if idempotency then
    local its_id = string.match(redis.call('GET', key) or '', '^(%S+)')
    if not its_id or redis.call('EXISTS', KEY.job .. its_id) == 0 then
      redis.call('DEL', key)
    end
    return
  end
  for _, prefix in ipairs(WITH_RECORD) do
    local its_id = rest_of(key, prefix)
    if its_id and redis.call('EXISTS', KEY.job .. its_id) == 0 then
      if prefix == KEY.after then
        mend_those_after(its_id)
      end
      redis.call('DEL', key)
      note_damage(key, 'without its record')
    end
  end
end

-- Writes counts anew where they differ.
local function set_counts(key, counts)
  local before, differs = redis.call('HGETALL', key), false
  local fields = 0
  for n = 1, #before, 2 do
    fields = fields + 1
    differs = differs or counts[before[n]] ~= tonumber(before[n + 1])
  end
  for _ in pairs(counts) do
    fields = fields - 1
  end
  if not differs and fields == 0 then
    return
  end
  redis.call('DEL', key)
  for field, number in pairs(counts) do
    redis.call('HSET', key, field, number)
  end
  note_damage(key, 'wrong counts')
end

local function add_to(counts, field, number)
  counts[field] = (counts[field] or 0) + number
end

-- Counts what tenants have from the jobs that they have.
local function recount()
  local load, running, queued = {}, {}, {}
  local seats = redis.call('HGETALL', KEY.seats)
  for n = 1, #seats, 2 do
    local queue, priority, tenant = parts_of(seats[n + 1])
    if queue then
      add_to(load, seats[n + 1], 1)
      local is_rung = redis.call('ZSCORE', KEY.rung .. queue .. ':' .. priority, seats[n])
      add_to(is_rung and queued or running, tenant, 1)
    end
  end
  set_counts(KEY.load, load)
  set_counts(KEY.running, running)
  -- Those of accepted lists are counted before they are there.
  if redis.call('SCARD', KEY.intakes) > 0 then
    return
  end
  for _, queue in ipairs(QUEUES) do
    for _, priority in ipairs(RANKED) do
      local line = queue .. ':' .. priority
      for _, tenant in ipairs(redis.call('ZRANGE', KEY.tenants .. line, 0, -1)) do
        add_to(queued, tenant, redis.call('ZCARD', KEY.held .. line .. ':' .. tenant))
      end
    end
  end
  local function add_each(index, number)
    for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
      add_to(queued, redis.call('HGET', KEY.job .. id, 'tenant') or '', number)
    end
  end
  for _, kind in ipairs(all_kinds()) do
    for _, index in ipairs(indexes_of(kind, 'WAITING')) do
      add_each(index, 1)
    end
  end
  -- Of a job in parts, the job itself is counted, which waits for them.
  for _, index in ipairs(indexes_of(PART_KIND, 'QUEUED')) do
    add_each(index, -1)
  end
  for tenant, number in pairs(queued) do
    queued[tenant] = number > 0 and number or nil
  end
  set_counts(KEY.queued, queued)
end

-- Numbers only grow: one that something else has set back is set beyond all that there were.
local function mend_numbers()
  local highest = 0
  for _, queue in ipairs(QUEUES) do
    for _, priority in ipairs(RANKED) do
      local score = redis.call('ZRANGE', KEY.rung .. queue .. ':' .. priority, -1, -1, 'WITHSCORES')[2]
      highest = math.max(highest, tonumber(score or nil) or 0)
    end
  end
  if (tonumber(redis.call('GET', KEY.rings) or nil) or 0) < math.floor(highest) then
    redis.call('SET', KEY.rings, now_ms())
    note_damage(KEY.rings, 'set back')
  end
  highest = 0
  for _, kind in ipairs(all_kinds()) do
    for _, state in ipairs(STATES) do
      for _, index in ipairs(indexes_of(kind, state)) do
        local score = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
        highest = math.max(highest, tonumber(score or nil) or 0)
      end
    end
  end
  if (tonumber(redis.call('GET', KEY.sequence) or nil) or 0) < highest then
    redis.call('SET', KEY.sequence, now_ms())
    note_damage(KEY.sequence, 'set back')
  end
end

for _, each in ipairs(misplaced()) do
  local key, its_kind = unpack(each)
  redis.call('DEL', key)
  note_damage(key, 'a ' .. its_kind)
end
if redis.call('EXISTS', KEY.damaged) == 1 then
  most = HASTE * most
end
if cursor == '0' then
  redis.call('DEL', KEY.damaged)
end
-- What stops a job for ever is looked for at each look.
for _, kind in ipairs(all_kinds()) do
  for _, index in ipairs(indexes_of(kind, 'RUNNING')) do
    for _, id in ipairs(redis.call('ZRANDMEMBER', index, 100)) do
      if not redis.call('ZSCORE', KEY.leases, id) then
        mend_key(KEY.job .. id)
      end
    end
  end
end
local found = redis.call('SCAN', cursor, 'COUNT', most)
for _, key in ipairs(found[2]) do
  mend_key(key)
end
if found[1] == '0' then
  recount()
  mend_numbers()
end
return { found[1], damages }
