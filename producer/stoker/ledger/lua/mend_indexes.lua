-- Mends what lies under any other key: what its records do not belong to is taken out of it. A part of repair.lua.

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
    for _, allowed in ipairs(wanted) do
      if state == allowed then
        return true
      end
    end
    return false
  end
end

local PLAIN_INDEXES = {
  [KEY.leases] = is_state_of('RUNNING'), [KEY.last_events] = is_state_of('RUNNING'),
  [KEY.due] = is_state_of('WAITING'),
  [KEY.finished] = is_state_of('SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD', 'PRUNED'),
}
-- Keys that go with a record.
local WITH_RECORD = { KEY.events, KEY.history, KEY.after, KEY.children, KEY.reached, KEY.evidence }

-- What follows a prefix in a key; nil if the key has another.
local function rest_of(key, prefix)
  return string.sub(key, 1, #prefix) == prefix and string.sub(key, #prefix + 1) or nil
end

-- Whoever is not paused has no place among those who are. Looks at some, at random.
local function mend_paused()
  for _, id in ipairs(redis.call('ZRANDMEMBER', KEY.paused, 200)) do
    local paused = redis.pcall('HGET', KEY.job .. id, 'paused')
    if type(paused) ~= 'string' then
      redis.call('ZREM', KEY.paused, id)
      note_damage(KEY.paused, 'a job that is not paused')
    end
  end
end

-- The record of a job is lost: those that still wait for its end are mended.
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
  if key == KEY.paused then
    return mend_paused()
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
    return mend_index(key, function(state, _, its_line) return YET_TO_START[state] and parts_of(its_line .. ':') == waits_on end)
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
  if rest_of(key, KEY.idempotency) or rest_of(key, KEY.singleton) or rest_of(key, KEY.identical) then
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

