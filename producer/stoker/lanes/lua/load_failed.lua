-- Stores that a version could not be loaded. ARGV: reference, registration time, error, reason, worker, 1 if the model may
--   not be the cause (then the first failure has no effect), 1 if its process died while computing
-- Returns the failure as JSON.
local ref, created_at, error_name, reason, worker, excused, computed = unpack(ARGV)
local failure = read_failure(ref, created_at)
  or { model = ref, created_at = created_at, failures = 0, since_ms = now_ms() }
failure.error, failure.reason, failure.worker = error_name, reason, worker
failure.failures = failure.failures + 1
local pause_ms = math.min(FIRST_PAUSE_MS * 2 ^ (failure.failures - 1), LONGEST_PAUSE_MS)
failure.computed_ms = computed == '1' and now_ms() or nil
failure.shut = failure.failures > 1 or excused ~= '1'
failure.retry_at_ms = now_ms() + (failure.shut and pause_ms or 0)
write_failure(failure)
-- A version with a share of an alias's requests that cannot be served loses it.
local model, number = string.match(ref, '^(.+)@(%d+)$')
for _, field in ipairs((failure.shut or failure.computed_ms) and model and redis.call('HKEYS', KEY.routes) or {}) do
  local its_model, alias = string.match(field, '^(%S+) (%S+)$')
  local route = its_model == model and routes()(model, alias)
  if route and route.to == tonumber(number) then
    give_up_route(model, alias, route, reason)
  end
end
return shown_failure(failure)
