-- Forgets the duties that a controller no longer has. ARGV: those that it has …
local has = {}
for _, name in ipairs(ARGV) do
  has[name] = true
end
for _, name in ipairs(type_of(KEY.duties) == 'hash' and redis.call('HKEYS', KEY.duties) or {}) do
  if not has[name] then
    redis.call('HDEL', KEY.duties, name)
  end
end
