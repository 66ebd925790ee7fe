-- Lists attempts whose lease has run out, the oldest first. ARGV: limit. Answers {id, owner, worker} of each.
local answer = {}
for n, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.leases, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))) do
  answer[n] = { id, unpack(record(id, 'owner', 'worker')) }
end
return answer
