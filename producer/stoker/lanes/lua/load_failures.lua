-- Returns the failures of all versions whose callers are refused, as JSON.
local answer = {}
for _, ref in ipairs(type_of(LANE.load_failures) == 'hash' and redis.call('HKEYS', LANE.load_failures) or {}) do
  local failure = read_failure(ref)
  if failure and failure.shut then
    answer[#answer + 1] = shown_failure(failure)
  end
end
return answer
