-- The budgets of tenants that have jobs, or an entry of their own: JSON of a list of {tenant, spent_ms, limit_ms, days, after}.
local names, found = {}, {}
for _, field in ipairs(redis.call('HKEYS', KEY.quotas)) do
  local name = string.match(field, '^tenant (.*)$')
  names[#names + 1] = name
end
for _, counts in ipairs({ KEY.queued, KEY.running }) do
  for _, name in ipairs(redis.call('HKEYS', counts)) do
    names[#names + 1] = name
  end
end
for _, name in ipairs(names) do
  local limit, days, after = budget_of(name)
  if limit and not found[name] then
    found[name] = true
    found[#found + 1] = cjson.encode({ tenant = name, spent_ms = spent_by(name, days), limit_ms = limit, days = days,
      after = after })
  end
end
return '[' .. table.concat(found, ',') .. ']'
