-- Takes in labels of requests that were sampled. ARGV: model, then of each its request's id, its label
-- Returns a word for each: 'ok', 'late', 'duplicate', 'contradictory', 'unlike' (a number was predicted, and the label is
--   none), 'unjudged' (no label can be held against the answer), 'unknown', or 'unwatched' (nothing is sampled of the model).
local MOST_OUTCOMES = 2000
local model, words = ARGV[1], {}
local wanted = sampling_of(model)
local counts = KEY.sampled .. model

-- "3.0" is what a table has made of the class "3" where a label was missing.
local function plain(label)
  return string.match(label, '^(%-?%d+)%.0+$') or label
end

-- Whether a text is a number to reckon with: Lua reads more as one, such as nan and 0x10.
local function is_finite(label)
  local value = string.find(label, '^[%d.eE+-]+$') and tonumber(label)
  return value and math.abs(value) < math.huge
end

local function judge(entry, id, label)
  local at, ref, kind, predicted, said = string.match(entry, '^(%d+) (%S+) (%a):([^\n]*)\n?(.*)$')
  if not at then
    return string.find(entry, '^%d+ %S+ %-$') and 'unjudged' or 'unknown'
  elseif string.find(entry, '\n', 1, true) then
    return said == label and 'duplicate' or 'contradictory'
  elseif now_ms() - at > 1000 * wanted.horizon_s then
    return 'late'
  elseif kind == 'n' and not is_finite(label) then
    return 'unlike'
  end
  redis.call('HSET', KEY.answered .. model, id, entry .. '\n' .. label)
  local is_right = plain(predicted) == plain(label)
  if kind == 'c' then
    judge_answer(model, tonumber(string.match(ref, '%d+$')), is_right)
  end
  local outcome = kind == 'n' and predicted .. ' ' .. label or is_right and '1' or '0'
  local outcomes = KEY.outcomes .. ref
  redis.call('RPUSH', outcomes, outcome)
  redis.call('LTRIM', outcomes, -MOST_OUTCOMES, -1)
  redis.call('EXPIRE', outcomes, 30 * 86400)
  local labels = redis.call('HINCRBY', counts, ref .. ' labels', 1)
  if labels % wanted.window == 0 then
    wake_waiting(wanted.job)
  end
  return 'ok'
end

for n = 2, #ARGV, 2 do
  local id, label = ARGV[n], ARGV[n + 1]
  local entry = wanted and redis.call('HGET', KEY.answered .. model, id)
  words[#words + 1] = not wanted and 'unwatched' or not entry and 'unknown' or judge(entry, id, label)
end
return words
