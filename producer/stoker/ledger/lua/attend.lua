-- A member's heartbeat in its gang, the first of which joins it.
-- ARGV: id, owner of the attempt ('' the first time), its address, lease in ms
-- Returns {'gone'} (the gang has ended, or is complete without this one), {'gathering', owner}, or
--   {'complete', owner, addresses …}.
local id, owner, address, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local state, holder, gang = unpack(record(id, 'state', 'owner', 'gang'))

if state ~= 'RUNNING' or not holder or (owner ~= '' and owner ~= holder) or (owner == '' and gang) then
  return { 'gone' }
end
local present = KEY.gang .. holder
if gang and not redis.call('ZSCORE', present, address) then
  return { 'gone' }
end
redis.call('ZADD', present, now_ms() + lease_ms, address)
redis.call('PEXPIRE', present, 10 * lease_ms)
if not gang then
  return { 'gathering', holder }
end
local addresses = cjson.decode(gang)
for _, other in ipairs(addresses) do
  if other == address then
    return { 'complete', holder, unpack(addresses) }
  end
end
redis.call('ZREM', present, address)
return { 'gone' }
