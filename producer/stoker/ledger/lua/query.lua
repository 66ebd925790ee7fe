-- Lists jobs, the newest first, and looks at no more than `look` of them.
-- ARGV: JSON of {limit, look, kinds (none for all), states, fields, tags (what a job must have, by name)}, and where it
--   matters, {model (a name, or a reference with @), before (only jobs submitted before this one, by sequence)}
-- Answers {the sequence of the last job looked at, '' if there are none before it; then {id, {values of the fields}} …}.
local ask = cjson.decode(ARGV[1])
local kinds = #ask.kinds > 0 and ask.kinds or all_kinds()
local newest = ask.before and '(' .. ask.before or '+inf'
local found = {}

for _, kind in ipairs(kinds) do
  for _, state in ipairs(ask.states) do
    for _, index in ipairs(indexes_of(kind, state)) do
      local entries = redis.call('ZREVRANGEBYSCORE', index, newest, '-inf', 'WITHSCORES', 'LIMIT', 0, ask.look)
      for m = 1, #entries, 2 do
        found[#found + 1] = { entries[m], tonumber(entries[m + 1]) }
      end
    end
  end
end
table.sort(found, function(a, b) return a[2] > b[2] end)

local function is_of_model(model)
  return not ask.model or model == ask.model or string.sub(model or '', 1, #ask.model + 1) == ask.model .. '@'
end

local function has_tags(tags)
  local is_json, has = pcall(cjson.decode, tags or '')
  for name, value in pairs(ask.tags) do
    if not is_json or type(has) ~= 'table' or has[name] ~= value then
      return false
    end
  end
  return true
end

local function fits(id)
  if not ask.model and not next(ask.tags) then
    return true
  end
  local values = redis.pcall('HMGET', KEY.job .. id, 'model', 'tags')
  return not values.err and is_of_model(values[1]) and has_tags(values[2])
end

local answer = { '' }
for n = 1, math.min(ask.look, #found) do
  local id, sequence = unpack(found[n])
  if fits(id) then
    -- What is no hash is nobody's job; it must not spoil the list.
    local values = redis.pcall('HMGET', KEY.job .. id, unpack(ask.fields))
    answer[#answer + 1] = { id, values.err and {} or values }
  end
  if #answer > ask.limit or n == ask.look then
    answer[1] = string.format('%d', sequence)
    break
  end
end
return answer
