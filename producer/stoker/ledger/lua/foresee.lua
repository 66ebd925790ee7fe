-- What a fleet's queues hold at one moment, for whoever foresees when jobs start and end. It moves none.
-- ARGV: device; how many queued jobs to read, and of those that ended last how many, at most
-- Returns JSON, as foresight/look.py has it: `at` (ms), `ageing_ms`, `lines`, `running` and `ended` jobs, `since` (ms: all
-- of the fleet that were submitted since are queued, running, or among `ended`), `rules` by tenant, `paused_tenants`.
-- Where something else has written to a record, its job is left out.
local device, left, newest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local NUMBERS = { 'submitted_at', 'queued_at', 'started_at', 'slots' }
local tenants = {}

-- A job's progress, as a share, and when that was reported; nothing where its total is unknown.
local function share_of(progress, progress_id)
  local is_json, event = pcall(cjson.decode, progress or 'null')
  event = is_json and type(event) == 'table' and event or {}
  local done, total = tonumber(event.epoch or event.done), tonumber(event.epochs or event.total)
  local at = tonumber(string.match(progress_id or '', '^%d+'))
  if done and total and total > 0 and at then
    return math.min(1, math.max(0, done / total)), at
  end
end

local function look(id)
  local fields = fields_of(id, 'kind', 'queue', 'priority', 'tenant', 'likeness', 'progress', 'progress_id', unpack(NUMBERS))
  if not (is_word(fields.kind) and QUEUE[fields.queue] and STEP[fields.priority]) then
    return nil
  end
  local job = { id = id, kind = fields.kind, queue = fields.queue, priority = fields.priority, tenant = fields.tenant or '',
    likeness = fields.likeness }
  for _, name in ipairs(NUMBERS) do
    job[name] = is_number(fields[name]) and tonumber(fields[name]) or nil
  end
  job.share, job.share_at = share_of(fields.progress, fields.progress_id)
  tenants[job.tenant] = true
  return job
end

local function look_at(ids)
  local jobs = {}
  for _, id in ipairs(ids) do
    jobs[#jobs + 1] = look(id)
  end
  return #jobs > 0 and jobs or nil
end

local answer = { at = now_ms(), ageing_ms = rule_of('').ageing_ms, lines = {}, running = {}, rules = {}, paused_tenants = {} }
for _, queue in ipairs(QUEUES) do
  for _, priority in ipairs(device_of(queue) == device and RANKED or {}) do
    local line = queue .. ':' .. priority
    local rung = redis.call('ZRANGE', KEY.rung .. line, 0, -1)
    local waiting = redis.call('ZRANGE', KEY.tenants .. line, 0, LOOKED_AT - 1)
    local held, unread, each = {}, 0, math.ceil(math.max(0, left - #rung) / math.max(1, #waiting))
    for _, tenant in ipairs(waiting) do
      local key = KEY.held .. line .. ':' .. tenant
      local ids = each > 0 and redis.call('ZRANGE', key, 0, each - 1) or {}
      unread, left = unread + redis.call('ZCARD', key) - #ids, left - #ids
      held[#held + 1] = look_at(ids)
    end
    left = math.max(0, left - #rung)
    if #rung > 0 or #held > 0 or unread > 0 then
      table.insert(answer.lines, { queue = queue, priority = priority, window = window_of(queue), rung = look_at(rung),
        held = #held > 0 and held or nil, unread = unread, paused = is_paused('queue', queue) or nil })
    end
  end
end
for _, kind in ipairs(all_kinds()) do
  for _, id in ipairs(redis.call('ZRANGE', index_of(kind, 'RUNNING', device .. '.train'), 0, -1)) do
    table.insert(answer.running, look(id))
  end
end
local ended = redis.call('ZREVRANGE', KEY.finished, 0, newest - 1, 'WITHSCORES')
local ids = {}
for n = 1, #ended, 2 do
  ids[#ids + 1] = ended[n]
end
answer.since = #ids == newest and tonumber(ended[#ended]) or nil
answer.ended = {}
for _, job in ipairs(look_at(ids) or {}) do
  -- Those of another fleet take none of its slots.
  answer.ended[#answer.ended + 1] = device_of(job.queue) == device and job or nil
end
for tenant in pairs(tenants) do
  local rule = rule_of(tenant)
  answer.rules[tenant] = { weight = rule.weight, running = rule.running, runs = count(KEY.running, tenant) }
  if is_paused('tenant', tenant) then
    table.insert(answer.paused_tenants, tenant)
  end
end
for _, name in ipairs({ 'lines', 'running', 'ended', 'paused_tenants' }) do
  answer[name] = #answer[name] > 0 and answer[name] or nil
end
answer.rules = next(answer.rules) and answer.rules or nil
return cjson.encode(answer)
