-- Lists attempts whose lease has run out, the oldest first. ARGV: limit. Answers {id, owner, worker} of each.
local answer = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))) do
  local owner, worker = unpack(mend(id) == 'RUNNING' and record(id, 'owner', 'worker') or {})
  if owner and worker then
    answer[#answer + 1] = { id, owner, worker }
  else
    redis.call('ZREM', KEY.leases, id)
  end
end
return answer
