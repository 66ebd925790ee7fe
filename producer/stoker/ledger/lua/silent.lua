-- Lists running jobs of which nothing was heard for long, the longest silent first. ARGV: for how long, ms; limit
-- Answers {id, for how long (ms), worker} of each.
local now, answer = now_ms(), {}
local heard = redis.call('ZRANGEBYSCORE', KEY.last_events, '-inf', now - tonumber(ARGV[1]), 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for n = 1, #heard, 2 do
  local worker = redis.pcall('HGET', KEY.job .. heard[n], 'worker')
  answer[#answer + 1] = { heard[n], math.max(0, now - tonumber(heard[n + 1])), type(worker) == 'string' and worker or '' }
end
return answer
