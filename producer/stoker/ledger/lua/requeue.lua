-- Gives a dead job another try, with its checkpoint and its history. ARGV: id
-- Returns its state before, false if there is no job, or 'busy <id>' of another job with its singleton key that has not
-- ended: then nothing was written.
local id = ARGV[1]
local state, singleton = unpack(record(id, 'state', 'singleton'))

-- Deletes the newest event of an end: whoever reads the events must not stop at an end that was none.
local function delete_end()
  local newest = '+'
  repeat
    local entries = redis.call('XREVRANGE', KEY.events .. id, newest, '-', 'COUNT', 100)
    for _, entry in ipairs(entries) do
      local is_json, event = pcall(cjson.decode, entry[2][2])
      if is_json and type(event) == 'table' and event.type == 'finished' then
        redis.call('XDEL', KEY.events .. id, entry[1])
        return
      end
      newest = '(' .. entry[1]
    end
  until #entries == 0
end

local other = state == 'DEAD' and open_singleton(singleton)
if other then
  return 'busy ' .. other
elseif state == 'DEAD' then
  audit_job('requeued', id)
  redis.call('ZREM', KEY.finished, id)
  redis.call('HDEL', KEY.job .. id, 'finished_at', 'reason', 'traceback', 'setbacks')
  redis.call('HSET', KEY.job .. id, 'losses', 0)
  redis.call('DEL', KEY.meta .. id)
  delete_end()
  enqueue(id, 'requeued by hand')
  if singleton then
    redis.call('SET', KEY.singleton .. singleton, id)
  end
end
return state
