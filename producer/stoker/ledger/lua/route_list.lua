-- The routes that hold. ARGV: model ('' for all). Returns {model, alias, JSON} of each.
local answer = {}
for _, field in ipairs(redis.call('HKEYS', KEY.routes)) do
  local model, alias = parts_of_route(field)
  if ARGV[1] == '' or model == ARGV[1] then
    local route = standing_route(model, alias)
    answer[#answer + 1] = route and { model, alias, cjson.encode(route) } or nil
  end
end
return answer
