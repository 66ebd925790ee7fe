-- Lists all uploads. Returns of each its reference, its record, and the end of its time, ms: '' where that was lost.
local listed = {}
local entries = redis.call('HGETALL', KEY.uploads)
for place = 1, #entries, 2 do
  local ref = entries[place]
  listed[#listed + 1] = { ref, entries[place + 1], redis.call('ZSCORE', KEY.uploads_until, ref) or '' }
end
return listed
