-- Notes what a running child has reached at an epoch where it is held against the others of its parent: once, whatever an
-- attempt that begins anew reaches there. So who judges by this again comes to the same end.
-- ARGV: id, owner, epoch ('' for the last one that it has reached), value, 1 if it ends with this epoch, else 0
-- Returns {epoch, value, 1 or 0 as it was given, values …} of all that were there before it, and its own; {} if the attempt is no
--   longer the job's, nobody awaits it, or it has reached none.
local id, owner, epoch, value, is_last = unpack(ARGV)
local holder, parent = unpack(record(id, 'owner', 'parent'))
if holder ~= owner or not parent or redis.call('HEXISTS', KEY.children .. parent, id) == 0 then
  return {}
end
local reached, number = KEY.reached .. parent, string.match(id, '%d+$')
local fields = redis.call('HGETALL', reached)

local function latest()
  local last
  for n = 1, #fields, 2 do
    local at, of = string.match(fields[n], '^(%d+):(%d+)$')
    if of == number and (not last or tonumber(at) > last) then
      last = tonumber(at)
    end
  end
  return last and string.format('%d', last)
end

epoch = epoch == '' and latest() or epoch
if epoch == '' then
  return {}
end
local entries, own, places = {}, nil, 0
for n = 1, #fields, 2 do
  local at, of = string.match(fields[n], '^(%d+):(%d+)$')
  local its_value, place, how = string.match(fields[n + 1], '^(%S+) (%d+) (%d)$')
  if at == epoch and its_value then
    entries[#entries + 1] = { value = its_value, place = tonumber(place), how = how }
    own = of == number and entries[#entries] or own
    places = math.max(places, tonumber(place))
  end
end
if not own then
  own = { value = value, place = places + 1, how = is_last }
  entries[#entries + 1] = own
  redis.call('HSET', reached, epoch .. ':' .. number, value .. ' ' .. own.place .. ' ' .. is_last)
end
local answer = { epoch, own.value, own.how }
for _, entry in ipairs(entries) do
  if entry.place <= own.place then
    answer[#answer + 1] = entry.value
  end
end
return answer
