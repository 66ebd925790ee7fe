-- Asks a worker for a number of slots. ARGV: name, how many. Answers 1, or 0 if there is no such worker.
local there = redis.call('HEXISTS', KEY.workers, ARGV[1])
if there == 1 then
  redis.call('HSET', KEY.wanted, ARGV[1], ARGV[2])
end
return there
