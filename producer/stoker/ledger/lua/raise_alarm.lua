-- Raises an alarm once. ARGV: the alarm (JSON), whose `id` tells a repeat, which is looked for among the newest.
-- Returns the alarm's place in the stream.
local alarm = cjson.decode(ARGV[1])
for _, entry in ipairs(redis.call('XREVRANGE', KEY.alarms, '+', '-', 'COUNT', 100)) do
  local is_json, before = pcall(cjson.decode, entry[2][2])
  if is_json and type(before) == 'table' and before.id == alarm.id then
    return entry[1]
  end
end
return raise_alarm(alarm)
