-- Looks at the leader, the leases and the queues. ARGV: how long a lease may be over, ms; lists …
-- Answers the leader or false, how many leases are over for longer, and {messages, or -1 where there is no list,
-- queued jobs, for how many ms the one with the oldest message has been queued} of each list.
local now = now_ms()
local answer = { redis.call('GET', KEY.leader), redis.call('ZCOUNT', KEY.leases, '-inf', now - tonumber(ARGV[1])) }
for n = 2, #ARGV do
  local kind = type_of(ARGV[n])
  local messages = (kind == 'list' or kind == 'none') and redis.call('LLEN', ARGV[n]) or -1
  local oldest = redis.call('ZRANGE', KEY.rung .. ARGV[n], 0, 0)[1]
  -- What something else has written there has no time, and hides no other queue.
  local since = tonumber(oldest and redis.pcall('HGET', KEY.job .. oldest, 'queued_at') or nil) or now
  answer[#answer + 1] = { messages, redis.call('ZCARD', KEY.rung .. ARGV[n]), math.max(0, now - since) }
end
return answer
