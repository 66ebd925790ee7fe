-- What tenants use, by day, and their budgets: see usage.py. Shared by the ledger's scripts.
local DAY_MS, USAGE_KEPT_S, MOST_USES = 86400000, 400 * 86400, 20000

-- The counters of a day, by UTC.
local function day_of_use(days_ago)
  return KEY.usage .. string.format('%d', math.floor(now_ms() / DAY_MS) - days_ago)
end

-- Adds to a counter of today; returns whether there was room for it.
local function add_use(field, by)
  local day = day_of_use(0)
  if redis.call('HINCRBY', day, field, by) ~= by then
    return true
  end
  redis.call('EXPIRE', day, USAGE_KEPT_S)
  if redis.call('HLEN', day) <= MOST_USES then
    return true
  end
  redis.call('HDEL', day, field)
  return false
end

-- For how long a tenant's jobs have had slots in so many days, today included, ms.
local function spent_by(tenant, days)
  local spent = 0
  for ago = 0, days - 1 do
    spent = spent + count(day_of_use(ago), 'total ' .. tenant)
  end
  return spent
end

-- A tenant's budget: slot time in ms, within so many days, and what then, 'warn' or 'stop'; nothing if it has none.
local function budget_of(tenant)
  local budget = rule_of(tenant).budget
  local hours, days = tonumber(budget and budget.slot_hours), tonumber(budget and budget.days)
  if hours and days and days >= 1 and days <= 400 then
    return hours * 3600000, math.floor(days), budget.after
  end
end

-- Counts what a job has used of something; what would be a counter too many counts as nobody's.
local function count_use(what, by, job)
  by = math.floor(by)
  if by <= 0 then
    return
  end
  local tenant, model = job.tenant or '', string.match(job.makes or job.model or '', '^[^@%s]*')
  if not add_use(what .. ' ' .. cjson.encode({ tenant, job.kind or '', model }), by) then
    redis.call('HINCRBY', day_of_use(0), what .. ' ["","",""]', by)
  end
  if what ~= 'slot_ms' then
    return
  end
  local limit, days, after = budget_of(tenant)
  add_use('total ' .. tenant, by)
  local spent = limit and spent_by(tenant, days) or 0
  if limit and spent >= limit and spent - by < limit then
    local follows = after == 'stop' and 'its submits are refused, and what runs goes on' or 'nothing is stopped'
    local text = string.format("tenant '%s' has had %.4g slot hours in %d days, which is its budget: %s", tenant,
      spent / 3600000, days, follows)
    raise_alarm({ what = 'budget', text = text, figures = { tenant = tenant, slot_hours = limit / 3600000, days = days } })
  end
end

-- Counts the time that an attempt has had its slots. Returns it in ms.
local function count_time(how, job)
  local took_ms = now_ms() - (tonumber(job.started_at) or now_ms())
  observe('attempt ' .. job.kind .. ' ' .. how, took_ms, BOUNDS.time)
  count_use('slot_ms', took_ms * (tonumber(job.slots) or 1), job)
  return took_ms
end

-- Of tenants, one that has spent a budget which stops it: {'budget', its name, hours spent, hours it may have, days}; nil for
-- none.
local function over_budget(tenants)
  for tenant in pairs(tenants) do
    local limit, days, after = budget_of(tenant)
    local spent = limit and after == 'stop' and spent_by(tenant, days) or 0
    if limit and after == 'stop' and spent >= limit then
      return { 'budget', tenant, string.format('%.4g', spent / 3600000), string.format('%.4g', limit / 3600000), days }
    end
  end
end
