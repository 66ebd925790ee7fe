-- Points an alias at what it pointed at before; a second step back goes one further. ARGV: model, alias, who does, id of the
-- change, who asked for it ('' for the Redis user). Returns 'ok', 'none' (it pointed at no other version that there still is) or 'route <job>' (whose the alias is).
local model, alias, by, change_id, who = unpack(ARGV)
if is_repeat(model, change_id) then
  return 'ok'
end
local route = open_route(model, alias)
if route then
  return 'route ' .. route.job
end

-- What the alias pointed at, the newest at the end: false where it was taken away. A step back ends what it left.
local path = {}
local function go_back_to(number)
  path[#path] = nil
  while #path > 0 and path[#path] ~= number do
    path[#path] = nil
  end
end

local moves = {}
for _, change in ipairs(changes_of(model, MOST_CHANGES)) do
  if change.ended then
    -- What came before was another model of this name.
    break
  elseif change.alias == alias then
    table.insert(moves, 1, change)
  end
end
for n, move in ipairs(moves) do
  if n == 1 and move.from then
    path[1] = move.from
  end
  if move.back then
    go_back_to(move.to)
  else
    path[#path + 1] = move.to or false
  end
end

local now = tonumber(redis.call('HGET', KEY.aliases .. model, alias) or nil) or false
for n = #path, 1, -1 do
  if path[n] and path[n] ~= now and version_of(model, path[n]) then
    audit({ what = 'moved', who = who ~= '' and who or nil, about = model .. '@' .. alias,
      text = 'back from ' .. (now or 'nowhere') .. ' to ' .. path[n] })
    move_alias(model, alias, path[n], { by = by, id = change_id, back = true })
    return 'ok'
  end
end
return 'none'
