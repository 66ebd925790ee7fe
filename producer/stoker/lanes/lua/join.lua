-- Adds a drainer, for a doorbell that a worker received. ARGV: ref, drainer, lease in ms. Returns 1, or 0 if none is needed.
local ref, drainer, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZPOPMIN', LANE.bells .. ref)
local depth = depth_of(ref)
local present, wanted = drainers_of(ref, depth)
if depth == 0 or present >= wanted then
  return 0
end
redis.call('ZADD', LANE.lane_drainers .. ref, 0, drainer)
renew(ref, drainer, lease_ms)
return 1
