-- Takes in the next chunk of an accepted list of jobs. ARGV: list, ISO time. Returns 1 while more are left, else 0.
local id, iso = ARGV[1], ARGV[2]
local key = KEY.intake .. id
local place = tonumber(redis.call('HGET', key, 'next') or 1)
local chunk = redis.call('HGET', key, place)

if chunk then
  local jobs = cjson.decode(chunk)
  audit_jobs('taken in', jobs, ', of the list ' .. id)
  redis.call('HDEL', key, place)
  redis.call('HSET', key, 'next', place + 1)
  take_in(jobs, iso)
end
if redis.call('HEXISTS', key, place + 1) == 1 then
  return 1
end
redis.call('DEL', key)
redis.call('SREM', KEY.intakes, id)
return 0
