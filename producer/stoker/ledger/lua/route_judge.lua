-- Counts what was learned of an answer: whether it was right. ARGV: model, number of the version that gave it, 1 if it was
local model, number, right = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1' and 'right' or 'wrong'
for _, route in pairs(routes_of(model)) do
  local side = route.to == number and 'to' or route.from == number and 'from'
  if side then
    redis.call('HINCRBY', KEY.evidence .. route.job, side .. ' ' .. right, 1)
  end
end
return 1
