-- What no live worker has that the version behind a lane needs, in words; false if one has all of it. ARGV: reference
local ref = ARGV[1]
local words = needs_of_lane(ref)
if #words == 0 or #servers_of(redis.call('GET', LANE.lane_queue .. ref) or '', words) > 0 then
  return false
end
local _, _, condition = able()
return condition(words)
