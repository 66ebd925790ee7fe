-- A drainer stops; what it still has in hand goes back. Rings for a successor if requests wait. ARGV: ref, drainer
local ref, drainer = ARGV[1], ARGV[2]
put_back(ref, drainer)
forget_drainer(ref, drainer)
ring_lane(ref, depth_of(ref))
