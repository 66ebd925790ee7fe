-- A model's versions, by number. One that was removed leaves a note in its place: its number is never given again, and who
-- names it learns what became of it. Shared by every script, and by those of registry.py.
local REMOVED = '{"removed_at":'

local function is_removed(manifest)
  return string.sub(manifest or '', 1, #REMOVED) == REMOVED
end

-- The number of a model's newest version; 0 if it has none.
local function newest_number(model)
  local number = redis.call('HLEN', KEY.model .. model)
  while number > 0 and is_removed(redis.call('HGET', KEY.model .. model, number)) do
    number = number - 1
  end
  return number
end

-- The JSON of a version; nil if there is none.
local function version_of(model, number)
  local manifest = redis.call('HGET', KEY.model .. model, number)
  return manifest and not is_removed(manifest) and manifest or nil
end

-- The number that an alias, `latest` or a number stands for.
local function number_behind(model, pick)
  return pick == 'latest' and newest_number(model) or redis.call('HGET', KEY.aliases .. model, pick) or pick
end

-- The JSON of the version behind a reference; nil if there is none.
local function version_behind(ref)
  local name, pick = string.match(ref, '^([%w._-]+)@?([%w._-]*)$')
  if not name then
    return nil
  end
  return version_of(name, number_behind(name, pick ~= '' and pick or 'champion'))
end
