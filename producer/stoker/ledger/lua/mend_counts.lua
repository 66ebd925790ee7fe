-- Mends counts and numbers, which are derived from all jobs at once. A part of repair.lua.

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

-- Counts the seats that tenants have. Returns how many jobs with a message each has.
local function recount_seats()
  local load, running, rung = {}, {}, {}
  local seats = redis.call('HGETALL', KEY.seats)
  for n = 1, #seats, 2 do
    local queue, priority, tenant = parts_of(seats[n + 1])
    if queue then
      add_to(load, seats[n + 1], 1)
      local has_message = redis.call('ZSCORE', KEY.rung .. queue .. ':' .. priority, seats[n])
      add_to(has_message and rung or running, tenant, 1)
    end
  end
  set_counts(KEY.load, load)
  set_counts(KEY.running, running)
  return rung
end

-- Whether as many jobs are counted as there are that have not started.
local function is_sum_right()
  local sum = 0
  for _, number in ipairs(redis.call('HVALS', KEY.queued)) do
    if not is_number(number) then
      return false
    end
    sum = sum + tonumber(number)
  end
  for _, kind in ipairs(all_kinds()) do
    for state in pairs(YET_TO_START) do
      for _, index in ipairs(indexes_of(kind, state)) do
        sum = sum - redis.call('ZCARD', index)
      end
    end
  end
  return sum == 0
end

-- Counts the jobs of tenants that have not started. `queued` has how many have a message.
local function recount_queued(queued)
  for _, queue in ipairs(QUEUES) do
    for _, priority in ipairs(RANKED) do
      local line = queue .. ':' .. priority
      for _, tenant in ipairs(redis.call('ZRANGE', KEY.tenants .. line, 0, -1)) do
        add_to(queued, tenant, redis.call('ZCARD', KEY.held .. line .. ':' .. tenant))
      end
    end
  end
  for _, kind in ipairs(all_kinds()) do
    for _, index in ipairs(indexes_of(kind, 'WAITING')) do
      for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
        add_to(queued, redis.call('HGET', KEY.job .. id, 'tenant') or '', 1)
      end
    end
  end
  for tenant, number in pairs(queued) do
    queued[tenant] = number > 0 and number or nil
  end
  set_counts(KEY.queued, queued)
end

-- Counts what tenants have from the jobs that they have. All that wait are counted only where something is wrong.
local function recount()
  local rung = recount_seats()
  -- Those of accepted lists are counted before they are there.
  if redis.call('SCARD', KEY.intakes) == 0 and not is_sum_right() then
    recount_queued(rung)
  end
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
    for _, index in ipairs(all_indexes_of(kind)) do
      local score = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
      highest = math.max(highest, tonumber(score or nil) or 0)
    end
  end
  if (tonumber(redis.call('GET', KEY.sequence) or nil) or 0) < highest then
    redis.call('SET', KEY.sequence, now_ms())
    note_damage(KEY.sequence, 'set back')
  end
end

