-- A worker has heard a doorbell and begins to drain. ARGV: ref, drainer, lease in ms. Answers 1, or 0 if none is wanted.
local ref, drainer, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZPOPMIN', LANE.bells .. ref)
local depth = depth_of(ref)
local there, wanted = drainers_of(ref, depth)
if depth == 0 or there >= wanted then
  return 0
end
redis.call('ZADD', LANE.lane_drainers .. ref, 0, drainer)
renew(ref, drainer, lease_ms)
return 1
