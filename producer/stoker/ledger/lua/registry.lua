-- How the registry changes. Each change of a model is noted with who made it. Shared by the scripts that make changes.
local MOST_CHANGES = 1000
-- Where a repeat of a change is looked for, whose answer was lost.
local LATELY = 20

local function changes_of(model, most)
  local changes = {}
  for n, noted in ipairs(redis.call('LRANGE', KEY.moves .. model, 0, most - 1)) do
    local is_json, change = pcall(cjson.decode, noted)
    -- Something else may have written there too.
    changes[n] = is_json and type(change) == 'table' and change or {}
  end
  return changes
end

local function note_change(model, change)
  change.at = now_ms()
  redis.call('LPUSH', KEY.moves .. model, cjson.encode(change))
  redis.call('LTRIM', KEY.moves .. model, 0, MOST_CHANGES - 1)
end

local function is_repeat(model, change_id)
  for _, change in ipairs(changes_of(model, LATELY)) do
    if change.id == change_id then
      return true
    end
  end
  return false
end

-- Points an alias at a version, or at none (nil), and notes that it did.
-- `change` has who made it (`by`), and where it matters its `id`, and `back` if it is a step back.
local function move_alias(model, alias, version, change)
  local before = redis.call('HGET', KEY.aliases .. model, alias)
  if version then
    redis.call('HSET', KEY.aliases .. model, alias, version)
  else
    redis.call('HDEL', KEY.aliases .. model, alias)
  end
  change.alias, change.from, change.to = alias, tonumber(before or nil), tonumber(version)
  note_change(model, change)
end
