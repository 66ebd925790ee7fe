-- Puts aside what lies where a list should be. ARGV: reason, how many to keep, lists … Returns how many those were.
local reason, kept, evicted = ARGV[1], tonumber(ARGV[2]), 0
for n = 3, #ARGV do
  local list = ARGV[n]
  local kind = type_of(list)
  if kind ~= 'none' and kind ~= 'list' then
    local entry = { reason = reason, queue = list, size = redis.call('MEMORY', 'USAGE', list), start = 'a ' .. kind }
    put_aside(reason, cjson.encode(entry), kept)
    redis.call('UNLINK', list)
    evicted = evicted + 1
  end
end
return evicted
