-- Removes a drainer: returns its requests, and rings for another if they wait, or forgets the lane. ARGV: ref, drainer
local ref, drainer = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', LANE.lane_drainers .. ref, drainer) then
  -- It ended before it joined: its doorbell is used up.
  redis.call('ZPOPMIN', LANE.bells .. ref)
end
put_back(ref, drainer)
forget_drainer(ref, drainer)
settle_lane(ref)
