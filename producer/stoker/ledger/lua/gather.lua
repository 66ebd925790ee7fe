-- The chief of a gang lists its members, sends messages for missing ones, and closes the gang when it is complete.
-- ARGV: id, owner, its address, how many it wants, lease in ms
-- Returns {'lost'} (the attempt is no longer the job's), {'gathering', addresses …}, {'complete', addresses …} with its own
--   first, or {'broken', the address gone silent} with what is away and why, if a member has left because of that.
local id, owner, address, wanted, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local holder, queue, gang, summary, needs_words =
  unpack(record(id, 'owner', 'queue', 'gang', 'summary', 'needs_words'))
local present, gathering = KEY.gang .. owner, KEY.gathering .. (queue or '')

if holder ~= owner then
  return { 'lost' }
end
redis.call('PEXPIRE', present, 10 * lease_ms)
if gang then
  local addresses = cjson.decode(gang)
  for n = 2, #addresses do
    local until_ms = redis.call('ZSCORE', present, addresses[n])
    if not until_ms or tonumber(until_ms) < now_ms() then
      return { 'broken', addresses[n], unpack(redis.call('HMGET', KEY.gang_outage .. owner, 'of', 'reason')) }
    end
  end
  return { 'complete', unpack(addresses) }
end
-- It gathers since its claim (see claim.lua); no other gang does, unless this one has been silent.
if redis.call('GET', gathering) == owner then
  redis.call('PEXPIRE', gathering, lease_ms)
end
redis.call('ZREMRANGEBYSCORE', present, '-inf', now_ms())
local addresses = { address, unpack(redis.call('ZRANGE', present, 0, wanted - 2)) }
if #addresses == wanted then
  redis.call('HSET', KEY.job .. id, 'gang', cjson.encode(addresses))
  if redis.call('GET', gathering) == owner then
    redis.call('DEL', gathering)
  end
  return { 'complete', unpack(addresses) }
end
-- A message may be lost, or taken by a worker that is about to end: after a while it is sent again.
if redis.call('SET', KEY.gang_rung .. owner, 1, 'NX', 'PX', 10000) then
  local _, words = needs_of(id)
  local able = needs_words and able_workers(queue, words) or {}
  -- Those that can take part may all be asked: who comes too late is not needed any more.
  for _, worker in ipairs(able) do
    for member = #addresses + 1 + worker.waiting, wanted do
      push_message('stoker.join', id .. '.' .. member, worker.mailbox, 'high', summary)
    end
  end
  for member = #addresses + 1, #able == 0 and wanted or 0 do
    push_message('stoker.join', id .. '.' .. member, queue, 'high', summary)
  end
end
return { 'gathering', unpack(addresses) }
