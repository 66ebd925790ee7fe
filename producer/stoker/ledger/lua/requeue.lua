-- Gives a dead job another try, with its checkpoint and its history. ARGV: id. Answers its state before, or false.
local id = ARGV[1]
local state = redis.call('HGET', KEY.job .. id, 'state')
if state == 'DEAD' then
  redis.call('ZREM', KEY.finished, id)
  redis.call('HDEL', KEY.job .. id, 'finished_at', 'reason', 'traceback', 'setbacks')
  redis.call('HSET', KEY.job .. id, 'losses', 0)
  redis.call('DEL', KEY.meta .. id)
  -- Whoever reads the events must not stop at an end that was none.
  local last = redis.call('XREVRANGE', KEY.events .. id, '+', '-', 'COUNT', 1)[1]
  redis.call('XDEL', KEY.events .. id, last[1])
  enqueue(id, 'requeued by hand')
end
return state
