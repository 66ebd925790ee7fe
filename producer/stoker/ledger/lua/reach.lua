-- The present decision about each fleet. ARGV: devices
-- Returns the time (ms), then for each device its decision (JSON), '' if there is none.
local answer = { tostring(now_ms()) }
for _, device in ipairs(ARGV) do
  local list = KEY.decisions .. device
  answer[#answer + 1] = type_of(list) == 'list' and redis.call('LINDEX', list, 0) or ''
end
return answer
