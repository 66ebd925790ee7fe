-- What a fleet has to do, in one look. ARGV: device, how many jobs of a kind to look at
-- Answers JSON: `at` (ms); by kind `queued` (slots), `oldest_ms`, `started` (ever) and `service_ms` (mean, for none 0);
-- `running` {count (slots), seen: {{kind, elapsed_ms} …}}; `widest`, the most slots that one job needs at once. Of more
-- jobs than are looked at, a random sample stands for all.
local device, most, now = ARGV[1], tonumber(ARGV[2]), now_ms()

local function sample(index)
  if type_of(index) ~= 'zset' then
    return {}, 0
  end
  local count = redis.call('ZCARD', index)
  return count <= most and redis.call('ZRANGE', index, 0, -1) or redis.call('ZRANDMEMBER', index, most), count
end

-- Whether a job is held because its tenant has as much as it may: more slots would not help it.
local function is_over_quota(id, queue, priority, tenant)
  local line = queue .. ':' .. (priority or 'normal')
  return has_enough(line, tenant) and redis.call('ZSCORE', KEY.held .. line .. ':' .. tenant, id)
end

local widest = 0

-- How many slots a job needs at once.
local function width(id, kind)
  local spec = kind == 'train' and redis.call('HGET', KEY.job .. id, 'spec')
  local is_json, fields = pcall(cjson.decode, spec and string.find(spec, '"workers":') and spec or '{}')
  local wide = is_json and type(fields) == 'table' and tonumber(fields.workers or nil) or 1
  widest = math.max(widest, wide)
  return wide
end

-- A field of the records of those jobs that are the fleet's, with their kinds; and how many slots these need.
local function of_fleet(ids, field)
  local found, slots = {}, 0
  for _, id in ipairs(ids) do
    local values = redis.pcall('HMGET', KEY.job .. id, 'queue', 'kind', field, 'priority', 'tenant')
    if not values.err and string.find(values[1] or '', '^' .. device .. '%.') and KIND[values[2]]
      and not is_over_quota(id, values[1], values[4], values[5] or '') then
      found[#found + 1] = { values[2], math.max(0, now - (tonumber(values[3] or nil) or now)) }
      slots = slots + width(id, values[2])
    end
  end
  return found, slots
end

local answer = { at = now, kinds = {} }
for kind in pairs(KIND) do
  local ids, count = sample(KEY.jobs .. kind .. ':QUEUED')
  local ours, slots = of_fleet(ids, 'queued_at')
  local oldest = 0
  for _, job in ipairs(ours) do
    oldest = math.max(oldest, job[2])
  end
  local mean, started = unpack(redis.call('HMGET', KEY.service, device .. ' ' .. kind, 'started ' .. device .. ' ' .. kind))
  answer.kinds[kind] = {
    queued = #ids > 0 and math.floor(count * slots / #ids + 0.5) or 0,
    oldest_ms = oldest,
    started = tonumber(started or nil) or 0,
    service_ms = tonumber(string.match(mean or '', '^(%S+)') or nil) or 0,
  }
end
local ids, count = sample(KEY.leases)
local seen, slots = of_fleet(ids, 'started_at')
answer.running = { count = #ids > 0 and math.floor(count * slots / #ids + 0.5) or 0, seen = seen }
answer.widest = widest
if #answer.running.seen == 0 then
  answer.running.seen = nil
end
return cjson.encode(answer)
