-- Lists a page of the uploads. ARGV: cursor, how many. Returns the next cursor, and of each upload its reference, its record
-- and the end of its time, ms: '' where that was lost. One may be on two pages.
local cursor, entries = unpack(redis.call('HSCAN', KEY.uploads, ARGV[1], 'COUNT', ARGV[2]))
local listed = {}
for place = 1, #entries, 2 do
  local ref = entries[place]
  listed[#listed + 1] = { ref, entries[place + 1], redis.call('ZSCORE', KEY.uploads_until, ref) or '' }
end
return { cursor, listed }
