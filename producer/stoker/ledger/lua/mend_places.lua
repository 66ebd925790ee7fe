-- Mends the places that jobs must have by their records: indexes, seats, lines. A part of repair.lua.
local STATES = { 'WAITING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD', 'PRUNED' }
local IS_STATE, IS_FINAL = {}, { SUCCEEDED = true, FAILED = true, CANCELLED = true, DEAD = true, PRUNED = true }
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
