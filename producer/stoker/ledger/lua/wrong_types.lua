-- What lies under keys that jobs share and is of another type: of each the key, that type, and the one it should have.
local function misplaced()
  local found = {}
  local function look(key, kind)
    local its_kind = type_of(key)
    if its_kind ~= 'none' and its_kind ~= kind then
      found[#found + 1] = { key, its_kind, kind }
    end
  end
  for name, kind in pairs(TYPE) do
    look(KEY[name], kind)
  end
  for _, queue in ipairs(QUEUES) do
    look(KEY.fallback .. queue, 'zset')
    look(KEY.gathering .. queue, 'string')
    for priority in pairs(STEP) do
      look(KEY.rung .. queue .. ':' .. priority, 'zset')
      look(KEY.tenants .. queue .. ':' .. priority, 'zset')
    end
  end
  return found
end
