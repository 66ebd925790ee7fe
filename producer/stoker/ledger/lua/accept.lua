-- Accepts a long list of jobs that was staged in chunks: from here on, all of them will be taken in.
-- ARGV: list, how many chunks, the last job's id, ids of jobs outside the list that some come after (JSON), how many
--   jobs each tenant has in it (JSON), what references of models led to (JSON, see `has_moved`)
-- Returns {}; {'gone'} (some of its chunks have expired), or why not, as submit.lua does.
local id, chunks, last = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local others, tenants = cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
local key = KEY.intake .. id

-- A repeat, because the answer was lost: the list may even be taken in by now.
if redis.call('SISMEMBER', KEY.intakes, id) == 1 or redis.call('EXISTS', KEY.job .. last) == 1 then
  return {}
end
if redis.call('HLEN', key) ~= chunks then
  return { 'gone' }
end
local refusal = has_moved(cjson.decode(ARGV[6])) and { 'moved' } or over_quota(tenants)
for _, first in ipairs(others) do
  local state = redis.call('HGET', KEY.job .. first, 'state')
  if is_dead_end(state) then
    refusal = { state or 'missing', first }
  end
end
if refusal then
  redis.call('DEL', key)
  return refusal
end
for tenant, count in pairs(tenants) do
  audit({ what = 'submitted', about = id, tenant = tenant, text = 'a list of ' .. count .. ' jobs' })
end
redis.call('PERSIST', key)
redis.call('SADD', KEY.intakes, id)
count_queued(tenants)
return {}
