-- What stands in the queues. Shared by the scripts that look at them.
local LOOKED_AT = 64

-- Counts a queue's jobs: `jobs` in all; `paused`, held because the queue or their tenants are; `over_quota`, held because
-- their tenants have enough; and `oldest_ms`, for how long the one that waits longest has been queued, those last ones
-- aside. It looks at so many tenants of each priority for that.
local function census(queue)
  local jobs, paused, over_quota, oldest = 0, 0, 0, now_ms()
  local is_held = is_paused('queue', queue)
  local function look(id)
    -- What something else has written there has no time, and hides no other queue.
    local since = id and redis.pcall('HGET', KEY.job .. id, 'queued_at')
    oldest = math.min(oldest, type(since) == 'string' and tonumber(since) or oldest)
  end
  for _, priority in ipairs(RANKED) do
    local line = queue .. ':' .. priority
    local ids = redis.call('ZRANGE', KEY.rung .. line, 0, -1)
    jobs = jobs + #ids
    for _, id in ipairs(is_held and {} or ids) do
      look(id)
    end
    local tenants = redis.call('ZRANGE', KEY.tenants .. line, 0, -1, 'WITHSCORES')
    for n = 1, #tenants, 2 do
      local key = KEY.held .. line .. ':' .. tenants[n]
      local count_held = redis.call('ZCARD', key)
      jobs = jobs + count_held
      if is_held or is_paused('tenant', tenants[n]) then
        paused = paused + count_held
      elseif tenants[n + 1] == 'inf' and has_enough(line, tenants[n]) then
        over_quota = over_quota + count_held
      elseif n < 2 * LOOKED_AT then
        look(redis.call('ZRANGE', key, 0, 0)[1])
      end
    end
  end
  return { jobs = jobs, paused = is_held and jobs or paused, over_quota = over_quota,
    oldest_ms = math.max(0, now_ms() - oldest) }
end
