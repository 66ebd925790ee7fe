-- Whether messages wait in any of these lists. ARGV: lists
for _, list in ipairs(ARGV) do
  if redis.call('LLEN', list) > 0 then
    return 1
  end
end
return 0
