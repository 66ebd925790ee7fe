-- Lists jobs, the newest first, and looks at no more than `look` of them.
-- ARGV: JSON of {limit, look, kinds (none for all), states, fields ('parent' first), tags (what a job must have, by name)},
--   and where it matters, {model (a name, or a reference with @), reads (of a model, also jobs that read it or what a job has
--   made, children as well), parent (whose children: else jobs that are none's), since_ms, until_ms (only jobs submitted from
--   this time on, and before this one), paused (only jobs that are), before (only jobs submitted before this one, by sequence)}
-- Returns {the sequence of the last job looked at, '' if there are none before it; then {id, {values of the fields}} …}.
local search = cjson.decode(ARGV[1])
local kinds = #search.kinds > 0 and search.kinds or all_kinds()
local newest = search.before and '(' .. search.before or '+inf'

-- The indexes to go through, each at the newest of its jobs that is still to come.
local indexes, share = {}, nil

-- Goes on to the next job of an index. A share is read at once, so that of all indexes together hardly more are read than
-- are looked at.
local function advance(index)
  index.at = index.at + 2
  if index.at > #index.entries then
    index.entries = redis.call('ZREVRANGEBYSCORE', index.name, newest, '-inf', 'WITHSCORES', 'LIMIT', index.read, share)
    index.at, index.read = 1, index.read + share
  end
  index.sequence = tonumber(index.entries[index.at + 1])
end

for _, kind in ipairs(kinds) do
  for _, state in ipairs(search.states) do
    for _, name in ipairs(indexes_of(kind, state)) do
      if redis.call('EXISTS', name) == 1 then
        indexes[#indexes + 1] = { name = name, entries = {}, at = 0, read = 0 }
      end
    end
  end
end
share = math.ceil(search.look / math.max(1, #indexes))
for _, index in ipairs(indexes) do
  advance(index)
end

-- The newest job that is still to come, of all indexes, and its sequence; nil if there is none.
local function next_job()
  local newest_of_all
  for _, index in ipairs(indexes) do
    if index.sequence and (not newest_of_all or index.sequence > newest_of_all.sequence) then
      newest_of_all = index
    end
  end
  if not newest_of_all then
    return nil
  end
  local id, sequence = newest_of_all.entries[newest_of_all.at], newest_of_all.sequence
  advance(newest_of_all)
  return id, sequence
end

local function is_of_model(refs)
  if not search.model then
    return true
  end
  for ref in string.gmatch(refs or '', '%S+') do
    if ref == search.model or string.sub(ref, 1, #search.model + 1) == search.model .. '@' then
      return true
    end
  end
  return false
end

local function has_tags(tags)
  local is_json, has = pcall(cjson.decode, tags or '')
  for name, value in pairs(search.tags) do
    if not is_json or type(has) ~= 'table' or has[name] ~= value then
      return false
    end
  end
  return true
end

-- Whether a job is one that is looked for, and whether it is older than all of them, as are those behind it.
local function fits(id)
  if not search.model and not next(search.tags) and not search.since_ms and not search.until_ms and not search.paused then
    return true, false
  end
  local values = redis.pcall('HMGET', KEY.job .. id, 'tags', 'makes', 'model', 'submitted_at', 'paused')
  if values.err or search.paused and not values[5] then
    return false, false
  end
  -- 0 where something else has written to it.
  local at = tonumber(values[4] or nil) or 0
  if search.since_ms and at < search.since_ms then
    return false, at > 0
  elseif search.until_ms and at >= search.until_ms then
    return false, false
  end
  return has_tags(values[1]) and (is_of_model(values[2] or values[3])
    or search.reads and (is_of_model(values[3]) or string.find(values[3] or '', 'job:', 1, true))), false
end

local answer, looked_at = { '' }, 0
for id, sequence in next_job do
  looked_at = looked_at + 1
  local does, is_older = fits(id)
  if is_older then
    break
  elseif does then
    -- What is no hash is nobody's job; it must not spoil the list.
    local values = redis.pcall('HMGET', KEY.job .. id, unpack(search.fields))
    if values.err or search.reads or (values[1] or nil) == search.parent then
      answer[#answer + 1] = { id, values.err and {} or values }
    end
  end
  if #answer > search.limit or looked_at == search.look then
    answer[1] = string.format('%d', sequence)
    break
  end
end
return answer
