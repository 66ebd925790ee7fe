-- Lists attempts whose lease has run out, the oldest first. ARGV: limit. Returns {id, owner, worker} of each.
local answer = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))) do
  local state, owner, worker = unpack(record(id, 'state', 'owner', 'worker'))
  if state == 'RUNNING' and not owner then
    -- Nobody can report on it or end it any more: it is taken from nobody.
    owner = 'nobody'
    redis.call('HSET', KEY.job .. id, 'owner', owner)
    note_damage(KEY.job .. id, 'owner is missing')
  end
  if state == 'RUNNING' then
    answer[#answer + 1] = { id, owner, worker or 'unknown' }
  else
    redis.call('ZREM', KEY.leases, id)
  end
end
return answer
