-- Shared by the scripts that take jobs in. Each command that writes costs more than all the Lua of a job: so there are
-- two for each, and what one command can write for all of them is gathered first.
local MOST_WORDS = 1000

-- Adds words to the list of them under a key.
local function add_to_list(lists, key, word, another)
  local words = lists[key] or {}
  lists[key] = words
  words[#words + 1] = word
  words[#words + 1] = another
end

local function count_queued(tenants)
  for tenant, count in pairs(tenants) do
    redis.call('HINCRBY', KEY.queued, tenant, count)
  end
end

-- A tenant that would have more jobs waiting and queued than it may, by how many are to come: {its name, how many it has,
-- how many it may have}; or one whose budget is spent, see usage.lua; nil if there is none.
local function over_quota(tenants)
  local over = over_budget(tenants)
  if over then
    return over
  end
  for tenant, added in pairs(tenants) do
    local most = rule_of(tenant).queued
    local has = most and count(KEY.queued, tenant)
    if most and has + added > most then
      return { 'quota', tenant, has, most }
    end
  end
end

-- The job with a key that has not ended, and its record; nil if there is none.
local function open_singleton(key)
  local id = key and redis.call('GET', KEY.singleton .. key)
  local job = id and fields_of(id, 'state', 'attempt', 'submitted_at', 'put_off_since', 'tenant')
  if job and (YET_TO_START[job.state] or job.state == 'RUNNING') then
    return id, job
  end
end

-- The newest job that was identical to one of a shape, if it has succeeded and the version that it has made is still there.
local function identical_job(shape)
  local id = shape.identity and redis.call('GET', KEY.identical .. shape.identity)
  local state, makes, result = unpack(id and record(id, 'state', 'makes', 'result') or {})
  if state ~= 'SUCCEEDED' then
    return nil
  end
  local is_json, made = pcall(cjson.decode, makes and result or '{}')
  local ref = is_json and type(made) == 'table' and made.model
  if makes and ref ~= '' then
    local name, number = string.match(type(ref) == 'string' and ref or '', '^(.+)@(%d+)$')
    local manifest = name and version_of(name, number)
    -- The number may be another model's by now, which has its name.
    if not manifest or not string.find(manifest, '"job":"' .. id .. '"', 1, true) then
      return nil
    end
  end
  return id
end

-- Whether references lead elsewhere than to the versions that jobs were checked against; see `registry.led_to`.
local function has_moved(models)
  for _, model in ipairs(models) do
    local name, pick, number, maker = unpack(model)
    local manifest = tostring(number_behind(name, pick)) == number and version_of(name, number)
    -- The number may be another model's by now, which has its name.
    if not (manifest and string.find(manifest, '"job":' .. cjson.encode(maker), 1, true)) then
      return true
    end
  end
end

-- New jobs are those with their keys, from now on.
local function hold_singletons(chunk)
  for _, job in ipairs(chunk.jobs) do
    local key = chunk.shapes[job[2]].singleton
    if key then
      redis.call('SET', KEY.singleton .. key, job[1])
    end
  end
end

-- A job waits a little, so that another with its key may take its place; but in all not for longer than so many times that.
local MOST_PUT_OFFS = 10
local function put_off_new(shape, older)
  local since = older and tonumber(older.put_off_since or older.submitted_at) or now_ms()
  local until_ms = math.min(now_ms() + shape.debounce_ms, since + MOST_PUT_OFFS * shape.debounce_ms)
  shape.not_before = math.max(shape.not_before or 0, until_ms)
  for _, word in ipairs({ 'not_before', shape.not_before, 'put_off_since', since }) do
    table.insert(shape.record, word)
  end
end

-- Whether nothing can come after a job in such a state: it has none any more, or has ended without success.
local function is_dead_end(state)
  return not state or state == 'FAILED' or state == 'CANCELLED' or state == 'DEAD' or state == 'PRUNED'
end

-- Notes whom a new job waits for. Returns how many they are, and why the job must be cancelled, if it must.
local function wait_for(id, others)
  local blockers, reason = 0, nil
  for _, first in ipairs(others) do
    local state = redis.call('HGET', KEY.job .. first, 'state')
    if is_dead_end(state) then
      reason = 'job ' .. first .. ', which it comes after, is ' .. (state or 'gone')
    elseif state ~= 'SUCCEEDED' then
      blockers = blockers + redis.call('SADD', KEY.after .. first, id)
    end
  end
  return blockers, reason
end

-- Writes a record: what it has in common with others of its shape, and then names and values of its own. These are put
-- behind the common ones, in their own table: to copy that for each job would cost more than all else here.
local function write_record(id, common, size, ...)
  local own = select('#', ...)
  for n = 1, own do
    common[size + n] = select(n, ...)
  end
  redis.call('HSET', KEY.job .. id, unpack(common, 1, size + own))
end

-- Puts a new job on its line. Once the window is full it stays so in this step, and all but the first job that is then
-- held of each tenant can be gathered.
local function line_up_all(id, shape, sequence, full, scores)
  local tenant = shape.tenant or ''
  local line = shape.queue .. ':' .. shape.priority
  local held = KEY.held .. line .. ':' .. tenant
  if full[held] then
    add_to_list(scores, held, shape.turn or sequence, id)
    return
  end
  full[line] = full[line] or is_paused('queue', shape.queue)
    or redis.call('ZCARD', KEY.rung .. line) >= window_of(shape.queue)
  if full[line] then
    hold(id, shape.queue, shape.priority, tenant, shape.turn or sequence)
    full[held] = true
  else
    line_up(id, shape.queue, shape.priority, tenant, shape.turn or sequence)
  end
end

-- Takes new jobs in: record, index, first event, and doorbell or place on its line of each. One that comes after a job
-- which has ended without success since it was accepted is cancelled, as it would have been then.
-- `chunk` is what intake.py encodes: `jobs` of {id, number of its shape, …}, and `shapes`: what jobs have in common, as far as
-- scripts need it, and `record`, names and values for HSET.
local function take_in(chunk, iso)
  local now, scores, full, doomed = now_ms(), {}, {}, {}
  local sequence = redis.call('INCRBY', KEY.sequence, #chunk.jobs) - #chunk.jobs
  local sizes, kinds, events = {}, {}, {}
  for n, shape in ipairs(chunk.shapes) do
    sizes[n] = #shape.record
    if not kinds[shape.kind] then
      kinds[shape.kind] = redis.call('SADD', KEY.kinds, shape.kind)
    end
    events[shape.queue] = events[shape.queue] or cjson.encode({ type = 'queued', queue = shape.queue })
  end
  for n, job in ipairs(chunk.jobs) do
    local id, shape, number = job[1], chunk.shapes[job[2]], sequence + n
    local common, size = shape.record, sizes[job[2]]
    local blockers, reason = 0, nil
    if #shape.after > 0 then
      blockers, reason = wait_for(id, shape.after)
    end
    local state = (blockers > 0 or reason or (shape.not_before or 0) > now) and 'WAITING' or 'QUEUED'
    add_to_list(scores, index_of(shape.kind, state, shape.queue), number, id)
    if state == 'QUEUED' then
      write_record(id, common, size, 'blockers', 0, 'sequence', number, 'submitted_at', now, 'state', state, 'queued_at', now)
      redis.call('XADD', KEY.events .. id, '*', 'event', events[shape.queue])
      line_up_all(id, shape, number, full, scores)
      if shape.may_fall_back then
        add_to_list(scores, KEY.fallback .. shape.queue, now, id)
      end
    else
      write_record(id, common, size, 'blockers', blockers, 'sequence', number, 'submitted_at', now, 'state', state)
      append_event(id, { type = 'waiting', after = (blockers > 0 or reason) and shape.after or nil,
        not_before = shape.not_before })
      if reason then
        doomed[#doomed + 1] = { id, reason }
      elseif blockers == 0 then
        add_to_list(scores, KEY.due, shape.not_before, id)
      end
    end
  end
  for key, members in pairs(scores) do
    for n = 1, #members, MOST_WORDS do
      redis.call('ZADD', key, unpack(members, n, math.min(n + MOST_WORDS - 1, #members)))
    end
  end
  for _, cancelled in ipairs(doomed) do
    local id, reason = unpack(cancelled)
    -- The end of another of them may have ended it already.
    if redis.call('HGET', KEY.job .. id, 'state') == 'WAITING' then
      finish(id, 'CANCELLED', { reason = reason }, iso)
    end
  end
end
