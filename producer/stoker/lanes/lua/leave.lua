-- A drainer stops; what it still has in hand goes back. Rings for a successor if requests wait. ARGV: ref, drainer
local ref, drainer = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', LANE.lane_drainers .. ref, drainer) then
  -- It ended before it joined: its doorbell has been heard in vain.
  redis.call('ZPOPMIN', LANE.bells .. ref)
end
put_back(ref, drainer)
forget_drainer(ref, drainer)
ring_lane(ref, depth_of(ref))
