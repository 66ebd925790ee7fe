-- Writes what people note of a version, in the place of what was there. ARGV: model, number, text ('' for none), who does, id
-- of the change. Returns 'ok' or 'version' (there is no such version).
local model, number, text, by, change_id = unpack(ARGV)
if not version_of(model, number) then
  return 'version'
elseif is_repeat(model, change_id) then
  return 'ok'
end
audit({ what = 'noted', about = model .. '@' .. number })
if text == '' then
  redis.call('HDEL', KEY.notes .. model, number)
else
  redis.call('HSET', KEY.notes .. model, number, text)
end
note_change(model, { noted = tonumber(number), by = by, id = change_id })
return 'ok'
