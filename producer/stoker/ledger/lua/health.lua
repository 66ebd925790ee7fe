-- Looks at the leader, the leases and the queues. ARGV: how long a lease may be over, ms; how many lists; lists …; queues …
-- Answers the leader or false, how many leases are over for longer, of each list its messages, or -1 where there is no
-- list, and of each queue what `census` counts.
local lists = tonumber(ARGV[2])
local answer = { redis.call('GET', KEY.leader), redis.call('ZCOUNT', KEY.leases, '-inf', now_ms() - tonumber(ARGV[1])) }
for n = 3, 2 + lists do
  local kind = type_of(ARGV[n])
  answer[#answer + 1] = (kind == 'list' or kind == 'none') and redis.call('LLEN', ARGV[n]) or -1
end
for n = 3 + lists, #ARGV do
  answer[#answer + 1] = { census(ARGV[n]) }
end
return answer
