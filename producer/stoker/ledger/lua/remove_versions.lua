-- Removes versions of a model, all or none; with the last one the model goes, its aliases and notes with it.
-- ARGV: model, 1 for all of it with its aliases, up to which job the caller has looked (its sequence), why ('asked' or
--   'retention'), who does, id of the change, else the numbers of the versions
-- Returns {'ok'}; or, when nothing was removed: {'version', number} (there is none), {'alias', number, alias},
--   {'parent', reference, the version made from it}, {'route', number, alias, the job whose route leads to it}, {'jobs'} (jobs
--   came meanwhile that may name one).
local FORGOTTEN_AFTER_S = 90 * 24 * 3600
local model, is_whole, sequence, why, by, change_id = unpack(ARGV)
local versions, aliases = redis.call('HGETALL', KEY.model .. model), redis.call('HGETALL', KEY.aliases .. model)
local numbers, refs, left = { unpack(ARGV, 7) }, {}, 0

if is_repeat(model, change_id) then
  return { 'ok' }
end
for n = 1, #versions, 2 do
  if not is_removed(versions[n + 1]) then
    left = left + 1
    if is_whole == '1' then
      numbers[left] = versions[n]
    end
  end
end
for _, number in ipairs(numbers) do
  if not version_of(model, number) then
    return { 'version', number }
  end
  for n = 2, is_whole ~= '1' and #aliases or 0, 2 do
    if aliases[n] == number then
      return { 'alias', number, aliases[n - 1] }
    end
  end
  refs[model .. '@' .. number] = true
end
for alias, route in pairs(routes_of(model)) do
  local number = string.format('%d', route.to)
  if refs[model .. '@' .. number] then
    return { 'route', number, alias, route.job }
  end
end
local parent, child = child_of(refs)
if parent then
  return { 'parent', parent, child }
elseif is_named_since(model, sequence) then
  return { 'jobs' }
end

for _, number in ipairs(numbers) do
  audit({ what = 'removed', about = model .. '@' .. number, text = why })
end
for _, number in ipairs(numbers) do
  local note = ',"by":' .. cjson.encode(by) .. ',"why":' .. cjson.encode(why) .. '}'
  redis.call('HSET', KEY.model .. model, number, REMOVED .. string.format('%d', now_ms()) .. note)
  redis.call('HDEL', KEY.notes .. model, number)
  note_change(model, { removed = tonumber(number), why = why, by = by, id = change_id })
end
if left == #numbers then
  redis.call('DEL', KEY.model .. model, KEY.aliases .. model, KEY.notes .. model)
  redis.call('SREM', KEY.models, model)
  redis.call('HDEL', KEY.guards, model)
  redis.call('DEL', KEY.guarded .. model, KEY.guard_rows .. model)
  note_change(model, { ended = true, by = by, id = change_id })
  redis.call('EXPIRE', KEY.moves .. model, FORGOTTEN_AFTER_S)
end
tally('removed versions ' .. why, #numbers)
return { 'ok' }
