-- Rings again for queued jobs whose message must be lost. Messages of one list are taken in the order they were sent: a
-- job is suspect when a later message of its list has been heard, or when the list is empty. It gets some time first,
-- because a worker may have the message in hand; one ring too many does no harm.
-- ARGV: time a message may be under way, ms; limit for each list; lists …
-- Answers the ids rung for.
local patience_ms, limit, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms()
local rung = {}

for n = 3, #ARGV do
  local list = ARGV[n]
  local last = redis.call('LLEN', list) == 0 and '+inf' or redis.call('HGET', KEY.heard, list) or '-inf'
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEY.rung .. list, '-inf', last, 'LIMIT', 0, limit)) do
    if mend(id) ~= 'QUEUED' then
      redis.call('ZREM', KEY.rung .. list, id)
    elseif now - tonumber(redis.call('HGET', KEY.job .. id, 'rung_at') or 0) > patience_ms then
      ring(id)
      rung[#rung + 1] = id
    end
  end
end
return rung
