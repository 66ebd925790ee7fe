-- Lists attempts whose lease has run out, the oldest first. ARGV: limit
-- Returns {id, owner, worker, for how long (ms)} of each. Fails where no lease can be renewed.
local answer, now = {}, now_ms()
-- Changes nothing, and is refused by a server that has no memory or is a replica.
redis.call('ZADD', KEY.leases, 'XX', 0, '')
local expired = redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
for n = 1, #expired, 2 do
  local id, overdue_ms = expired[n], now - tonumber(expired[n + 1])
  local state, owner, worker = unpack(record(id, 'state', 'owner', 'worker'))
  if state == 'RUNNING' and not owner then
    -- Nobody can report on it or end it any more: it is taken from nobody.
    owner = 'nobody'
    redis.call('HSET', KEY.job .. id, 'owner', owner)
    note_damage(KEY.job .. id, 'owner is missing')
  end
  if state == 'RUNNING' then
    answer[#answer + 1] = { id, owner, worker or 'unknown', math.min(math.floor(overdue_ms), 2 ^ 52) }
  else
    redis.call('ZREM', KEY.leases, id)
  end
end
return answer
