-- Mends jobs: their records, and the places that they must have by these. A part of repair.lua.
local STATES = { 'WAITING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD' }
local IS_STATE, IS_FINAL = {}, { SUCCEEDED = true, FAILED = true, CANCELLED = true, DEAD = true }
for _, state in ipairs(STATES) do
  IS_STATE[state] = true
end
-- A job that ends when one of these is wrong: no default can stand in for what it was.
local VITAL = { kind = true, queue = true, priority = true, state = true }
local _, _, iso = unpack(ARGV)
local is_damaged = redis.call('EXISTS', KEY.damaged) == 1

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

-- The indexes of all states of the jobs of a kind.
local indexes_by_kind = {}
local function all_indexes_of(kind)
  if not indexes_by_kind[kind] then
    local all = {}
    for _, state in ipairs(STATES) do
      for _, index in ipairs(indexes_of(kind, state)) do
        all[#all + 1] = index
      end
    end
    indexes_by_kind[kind] = all
  end
  return indexes_by_kind[kind]
end

-- Takes a job out of every index where its state has no place.
local function leave_wrong_indexes(id, state)
  local kind = redis.call('HGET', KEY.job .. id, 'kind')
  local line, tenant, its_queue = line_of(id)
  local left = 0
  local function leave(index)
    left = left + redis.call('ZREM', index, id)
  end
  local own = index_of(kind, state, its_queue)
  for _, index in ipairs(all_indexes_of(kind)) do
    if index ~= own then
      leave(index)
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
  if not YET_TO_START[state] then
    leave(KEY.fallback .. its_queue)
  end
  if state ~= 'QUEUED' then
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
  local has_message = redis.call('ZSCORE', KEY.rung .. line, id)
  if has_message and redis.call('ZREM', held, id) == 1 then
    leave_if_empty(line, tenant)
    mended(id, 'it was rung for and held')
  end
  local is_held = redis.call('ZSCORE', held, id)
  fit_seat(id, has_message)
  if is_held and not redis.call('ZSCORE', KEY.tenants .. line, tenant) then
    redis.call('ZADD', KEY.tenants .. line, place_of(queue, tenant), tenant)
    mended(id, 'its tenant had no turn')
  end
  if not has_message and not is_held then
    mended(id, 'it was queued, and on no line')
    local sequence, turn = unpack(record(id, 'sequence', 'turn'))
    line_up(id, queue, priority, tenant, turn or sequence)
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

-- Reads whom a job comes after anew, and waits for those that have not ended. Returns how many those are, nil if only a
-- newer Stoker knows; and why the job is to be cancelled.
local function mend_blockers(id)
  local blockers, after = unpack(record(id, 'blockers', 'after'))
  local open, reason = 0, nil
  for first in string.gmatch(after or '', '%S+') do
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

-- A job that waits for children is queued again with the last of them.
local function mend_children(id)
  local open, lost = 0, nil
  for _, child in ipairs(redis.call('HKEYS', KEY.children .. id)) do
    local state = is_child_of(id, child) and redis.call('HGET', KEY.job .. child, 'state')
    if state and not IS_FINAL[state] then
      open = open + 1
    elseif is_child_of(id, child) and redis.call('HGET', KEY.children .. id, child) == '' then
      local result = redis.call('HGET', KEY.job .. child, 'result')
      if result then
        redis.call('HSET', KEY.children .. id, child, result)
        mended(id, 'the result of a job that it waits for was missing')
      else
        lost = child
      end
    end
  end
  if lost then
    mended(id, 'a job that it waits for is lost')
    finish(id, 'FAILED', { reason = 'job ' .. lost .. ', which it has asked for, is lost' }, iso)
  elseif open == 0 and redis.call('HEXISTS', KEY.job .. id, 'paused') == 0 then
    mended(id, 'it waited for jobs that had all ended')
    enqueue(id, nil)
  elseif open ~= tonumber(redis.call('HGET', KEY.job .. id, 'open_children') or nil) then
    redis.call('HSET', KEY.job .. id, 'open_children', open)
    mended(id, 'it did not know how many of its jobs were open')
  end
end

local function mend_waiting(id)
  local needs, not_before, paused = unpack(record(id, 'needs', 'not_before', 'paused'))
  if redis.call('ZSCORE', KEY.due, id) then
    return
  elseif needs and redis.call('ZSCORE', KEY.unserved .. needs, id) then
    if redis.call('SADD', KEY.needs, needs) == 1 then
      mended(id, 'no list had what it needs')
    end
    return
  elseif redis.call('EXISTS', KEY.children .. id) == 1 then
    return mend_children(id)
  end
  local open, reason = mend_blockers(id)
  if open and reason then
    mended(id, 'it waited for a job that did not succeed')
    finish(id, 'CANCELLED', { reason = reason }, iso)
  elseif open == 0 and not paused then
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

-- A paused job is in the index of those; one that has ended is paused no longer.
local function mend_pause(id, state)
  local paused = redis.call('HGET', KEY.job .. id, 'paused')
  if paused and IS_FINAL[state] then
    clear_pause(id)
  elseif paused and redis.call('ZADD', KEY.paused, 'NX', paused, id) == 1 then
    mended(id, 'it was paused, and in no index of those')
  end
end

-- Puts in the place of a running or ended job's fields that are wrong what lets it go on.
local function mend_fields(id, flaws)
  replace_flaws(id, flaws)
  for field, flaw in pairs(flaws) do
    mended(id, field .. ' was ' .. flaw)
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
  local kind, sequence, queue = unpack(record(id, 'kind', 'sequence', 'queue'))
  local was_missing = redis.call('ZADD', index_of(kind, state, queue), 'NX', sequence, id) == 1
  if was_missing then
    mended(id, 'it was in no index of its state')
  end
  -- What else stands in an index is found there: to look each job up in all of them takes most of the time of a look.
  if was_missing or is_damaged then
    leave_wrong_indexes(id, state)
  end
  mend_pause(id, state)
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

