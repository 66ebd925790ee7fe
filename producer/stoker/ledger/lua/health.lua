-- Reads the leader, the leases and the queues. ARGV: how long a lease may be over, ms; how many queues; queues …; lists …
-- Returns JSON: `leader` (none where nobody leads), `overdue` (how many leases are over for longer), `queues` (of each what
-- `census` counts), and `messages` (of each list how many, or -1 where its key holds no list).
local last_queue = 2 + tonumber(ARGV[2])
local answer = { leader = redis.call('GET', KEY.leader) or nil, queues = {}, messages = {},
  overdue = redis.call('ZCOUNT', KEY.leases, '-inf', now_ms() - tonumber(ARGV[1])) }
for n = 3, last_queue do
  answer.queues[ARGV[n]] = census(ARGV[n])
end
for n = last_queue + 1, #ARGV do
  local kind = type_of(ARGV[n])
  answer.messages[ARGV[n]] = (kind == 'list' or kind == 'none') and redis.call('LLEN', ARGV[n]) or -1
end
return cjson.encode(answer)
