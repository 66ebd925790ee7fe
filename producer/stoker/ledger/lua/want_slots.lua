-- Sets how many slots a worker shall have. ARGV: name, slots. Returns 1, or 0 if there is no such worker.
local exists = redis.call('HEXISTS', KEY.workers, ARGV[1])
if exists == 1 then
  redis.call('HSET', KEY.wanted, ARGV[1], ARGV[2])
end
return exists
