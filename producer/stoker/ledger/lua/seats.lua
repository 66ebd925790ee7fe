-- Seats, and what tenants may have of them. A job has a *seat* from its message to its end. What is written here never depends
-- on a record that something else may have changed: a seat remembers its line and tenant. Shared by the ledger's scripts.

-- A tenant's place is its seats in hundredths of its weight, and behind the point when it was served last.
local SERVED = 2 ^ 33
local RANKED = { 'high', 'normal', 'low' }

local function count_down(key, field)
  if redis.call('HINCRBY', key, field, -1) <= 0 then
    redis.call('HDEL', key, field)
  end
end

local function count(key, field)
  return tonumber(redis.call('HGET', key, field) or nil) or 0
end

-- A tenant's quotas `running` and `queued` (nil for no limit), its `weight`, its `budget` (nil for none); and `ageing_ms`, which
-- all share.
local rules = {}
local function rule_of(tenant)
  if not rules[tenant] then
    -- Who may only read them goes on without them where they are damaged: the controller writes them anew.
    local stored = redis.pcall('HMGET', KEY.quotas, 'tenant ' .. tenant, 'default', 'ageing_ms')
    local own, default, ageing_ms = unpack(stored.err and {} or stored)
    local is_json, rule = pcall(cjson.decode, own or default or '{}')
    rule = is_json and type(rule) == 'table' and rule or {}
    rules[tenant] = { running = tonumber(rule.running), queued = tonumber(rule.queued),
      weight = math.max(tonumber(rule.weight) or 1, 0.01),
      budget = type(rule.budget) == 'table' and rule.budget or nil,
      ageing_ms = tonumber(ageing_ms or nil) or DEFAULT_AGEING_MS }
  end
  return rules[tenant]
end

-- Whether a queue or a tenant is paused: nothing of it is handed out, see pauses.lua.
local pauses
local function is_paused(what, name)
  if not pauses then
    pauses = {}
    -- As above: who may only read goes on where this is damaged.
    for _, field in ipairs(redis.pcall('HKEYS', KEY.pauses)) do
      pauses[field] = true
    end
  end
  return pauses[what .. ' ' .. name]
end

local function parts_of(seat)
  return string.match(seat, '^([^:]*):([^:]*):(.*)$')
end

-- The seat that a job has, or nil.
local function seat_of(id)
  local seat = redis.call('HGET', KEY.seats, id)
  if seat and not parts_of(seat) then
    redis.call('HDEL', KEY.seats, id)
    note_damage(KEY.seats .. ' ' .. id, 'no seat')
    return nil
  end
  return seat or nil
end

-- Whether a tenant may have no more jobs running, or no more seats in this line; a paused one may have none.
local function has_enough(line, tenant)
  if is_paused('tenant', tenant) then
    return true
  end
  local most = rule_of(tenant).running
  return most and (count(KEY.running, tenant) >= most or count(KEY.load, line .. ':' .. tenant) >= most)
end

-- What seats of a tenant on a queue are called, by priority.
local function seats_on(queue, tenant)
  return { queue .. ':high:' .. tenant, queue .. ':normal:' .. tenant, queue .. ':low:' .. tenant }
end

local function place_of(queue, tenant)
  local seats = 0
  for _, taken in ipairs(redis.call('HMGET', KEY.load, unpack(seats_on(queue, tenant)))) do
    seats = seats + (tonumber(taken or nil) or 0)
  end
  local served = tonumber(redis.call('GET', KEY.rings) or nil) or 0
  return math.floor(seats * 100 / rule_of(tenant).weight) + served % SERVED / SERVED
end

-- Puts a tenant where it belongs in the lines of a queue where it has jobs held.
local function place(queue, tenant)
  local lines = KEY.tenants .. queue .. ':'
  local high, normal, low = lines .. 'high', lines .. 'normal', lines .. 'low'
  -- A key counts as often as it is named: so the sum says which of the three there are.
  local there = redis.call('EXISTS', high, normal, normal, low, low, low, low)
  local score = there > 0 and place_of(queue, tenant)
  for _, priority in ipairs(RANKED) do
    local line = queue .. ':' .. priority
    if there % 2 == 1 then
      redis.call('ZADD', KEY.tenants .. line, 'XX', has_enough(line, tenant) and 'inf' or score, tenant)
    end
    there = math.floor(there / 2)
  end
end
