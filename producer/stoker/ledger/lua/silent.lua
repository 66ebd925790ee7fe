-- Lists running jobs of which nothing was heard for long, the longest silent first. ARGV: for how long, ms; limit
-- Returns how many there are, and of so many of them {id, for how long (ms), worker}.
local now, rows = now_ms(), {}
local until_ms = now - tonumber(ARGV[1])
local heard = redis.call('ZRANGEBYSCORE', KEY.last_events, '-inf', until_ms, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for n = 1, #heard, 2 do
  local worker = redis.pcall('HGET', KEY.job .. heard[n], 'worker')
  rows[#rows + 1] = { heard[n], math.max(0, now - tonumber(heard[n + 1])), type(worker) == 'string' and worker or '' }
end
return { redis.call('ZCOUNT', KEY.last_events, '-inf', until_ms), rows }
