-- Takes away what is no route, and routes that hold no longer. Returns how many.
local ended = 0
for _, field in ipairs(redis.call('HKEYS', KEY.routes)) do
  local model, alias = parts_of_route(field)
  if not (model and written_route(model, alias)) then
    redis.call('HDEL', KEY.routes, field)
    note_damage(KEY.routes, 'no route')
    ended = ended + 1
  elseif not open_route(model, alias) then
    ended = ended + 1
  end
end
return ended
