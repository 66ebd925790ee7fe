-- Counts what is no job of ours, and keeps the newest of it for a look. `entry` is JSON.
local function put_aside(reason, entry, kept)
  redis.call('HINCRBY', KEY.quarantined, reason, 1)
  redis.call('LPUSH', KEY.quarantine, entry)
  redis.call('LTRIM', KEY.quarantine, 0, kept - 1)
end
