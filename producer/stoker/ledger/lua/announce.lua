-- A worker's heartbeat. ARGV: name, its description (JSON; '' if it ends now), silence after which one is forgotten, ms
-- Returns how many slots it was last asked for, or false.
local name, description, silence_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- Deletes the messages for a worker that is no more: their jobs go elsewhere, see wake.lua.
local function clear_mailbox(worker)
  local is_json, described = pcall(cjson.decode, redis.call('HGET', KEY.workers, worker) or '')
  local mailbox = is_json and type(described) == 'table' and described.mailbox
  if type(mailbox) == 'string' and string.find(mailbox, '^%l+%.of%.') then
    for _, step in pairs(STEP) do
      redis.call('DEL', mailbox .. SEPARATOR .. step)
    end
  end
end

local function forget(worker)
  clear_mailbox(worker)
  redis.call('ZREM', KEY.seen, worker)
  redis.call('HDEL', KEY.workers, worker)
  redis.call('HDEL', KEY.wanted, worker)
end

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', KEY.seen, '-inf', now_ms() - silence_ms)) do
  forget(silent)
end
if description == '' then
  forget(name)
  return false
end
redis.call('ZADD', KEY.seen, now_ms(), name)
redis.call('HSET', KEY.workers, name, description)
return redis.call('HGET', KEY.wanted, name)
