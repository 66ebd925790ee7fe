-- Removes the drainers of a dead process: returns their requests, and rings for their lanes. ARGV: name of its watch
for _, entry in ipairs(redis.call('ZRANGE', LANE.drainers, 0, -1)) do
  local drainer, ref = string.match(entry, '^(%S+) (.+)$')
  if string.sub(drainer, 1, #ARGV[1] + 1) == ARGV[1] .. '.' then
    put_back(ref, drainer)
    forget_drainer(ref, drainer)
    settle_lane(ref)
  end
end
