-- Whether a live worker has all that the version behind a lane needs. ARGV: reference. Returns 1 or 0.
local ref = ARGV[1]
local words = needs_of_lane(ref)
local queue = redis.call('GET', LANE.lane_queue .. ref) or ''
return (#words == 0 or #servers_of(queue, words) > 0) and 1 or 0
