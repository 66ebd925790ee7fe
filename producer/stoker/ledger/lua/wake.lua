-- Queues the jobs whose time has come, the longest overdue first. ARGV: limit. Answers how many.
local due = redis.call('ZRANGEBYSCORE', KEY.due, '-inf', now_ms(), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(due) do
  if mend(id) == 'WAITING' then
    enqueue(id, nil)
  else
    redis.call('ZREM', KEY.due, id)
  end
end
return #due
