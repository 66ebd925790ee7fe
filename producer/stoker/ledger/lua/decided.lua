-- Keeps a decision about a fleet: the present one at the head of the list, in the place of the one before unless that
-- was notable. ARGV: device, the decision (JSON), 1 if it is notable, how many to keep
-- The head ends with a mark if it was notable: a space, which JSON allows.
local list, notable = KEY.decisions .. ARGV[1], ARGV[3] == '1'
local head = redis.call('LINDEX', list, 0)
if head and string.sub(head, -1) ~= ' ' then
  redis.call('LPOP', list)
end
redis.call('LPUSH', list, ARGV[2] .. (notable and ' ' or ''))
redis.call('LTRIM', list, 0, tonumber(ARGV[4]) - 1)
