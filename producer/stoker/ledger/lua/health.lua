-- Looks at the leader, the leases and the queues. ARGV: how long a lease may be over, ms; lists …
-- Answers the leader or false, how many leases are over for longer, and {messages, or -1 where there is no list,
-- queued jobs} of each list.
local answer = { redis.call('GET', KEY.leader), redis.call('ZCOUNT', KEY.leases, '-inf', now_ms() - tonumber(ARGV[1])) }
for n = 2, #ARGV do
  local kind = type_of(ARGV[n])
  local messages = (kind == 'list' or kind == 'none') and redis.call('LLEN', ARGV[n]) or -1
  answer[#answer + 1] = { messages, redis.call('ZCARD', KEY.rung .. ARGV[n]) }
end
return answer
