-- Looks at some of what Redis holds, in the order of its keys, and mends what no script can have left so. A million jobs
-- are looked at in a million small steps: the four files whose names begin with mend_ stand before this.
-- ARGV: where the last look ended (0 to begin), how many keys to look at, ISO time
-- Returns where this one ended (0 for the end), what was found, in words, and 1 if not all has been looked at since
--   something was found, else 0.
local cursor, most = ARGV[1], tonumber(ARGV[2])

for _, each in ipairs(misplaced()) do
  local key, its_kind = unpack(each)
  redis.call('DEL', key)
  note_damage(key, 'a ' .. its_kind)
end
if cursor == '0' then
  redis.call('DEL', KEY.damaged)
end
-- What stops a job for ever is looked for at each look.
for _, kind in ipairs(all_kinds()) do
  for _, index in ipairs(indexes_of(kind, 'RUNNING')) do
    for _, id in ipairs(redis.call('ZRANDMEMBER', index, 100)) do
      if not redis.call('ZSCORE', KEY.leases, id) then
        mend_key(KEY.job .. id)
      end
    end
  end
end
local found = redis.call('SCAN', cursor, 'COUNT', most)
for _, key in ipairs(found[2]) do
  mend_key(key)
end
if found[1] == '0' then
  recount()
  mend_numbers()
end
return { found[1], damages, redis.call('EXISTS', KEY.damaged) }
