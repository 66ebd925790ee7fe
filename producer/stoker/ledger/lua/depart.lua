-- A member leaves its gang, or its leader ends it. ARGV: owner of the attempt, the job's id from a leader ('' from a
--   member), the member's address, 1 if the member has done its part, so that it is not missed
local owner, id, address, done = unpack(ARGV)
if id ~= '' then
  local gathering = KEY.gathering .. (redis.call('HGET', KEY.job .. id, 'queue') or '')
  redis.call('DEL', KEY.gang .. owner, KEY.gang_rung .. owner)
  if redis.call('GET', gathering) == owner then
    redis.call('DEL', gathering)
  end
elseif done == '1' and redis.call('ZSCORE', KEY.gang .. owner, address) then
  redis.call('ZADD', KEY.gang .. owner, '+inf', address)
else
  redis.call('ZREM', KEY.gang .. owner, address)
end
