-- Delivers the answers to the last batch and takes the next one.
-- ARGV: ref, drainer, lease in ms, turn, most requests, number of clients, how many things were counted for a route (-1 for
--   no route), then for each client its id, its answers; with a route its job, its news, and of each thing its name, its
--   count; then, if there are results for Celery, the ISO time, and for each its id, its status, its JSON
-- Returns {'gone'} if the drainer's lease was over and its requests went to another (nothing is delivered then), or
--   {now in ms, the number that the lane's alias points at ('' if it has none), the alias's route as JSON ('' if it has
--   none), {requests}}; a drainer that wanted some and got none is now idle and will be woken.
local ref, drainer, turn = ARGV[1], ARGV[2], ARGV[4]
local lease_ms, most, clients, counted = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if not renew(ref, drainer, lease_ms) then
  return { 'gone' }
end
local batch
local last_turn, last_deadline = string.match(redis.call('GET', LANE.turn .. drainer) or '', '^(%S+) (%S+)$')
if last_turn == turn then
  -- The call is repeated because its reply was lost: the same batch again.
  batch = taken_by(drainer)
else
  local kept_ms = math.max(0, (tonumber(last_deadline) or 0) - now_ms()) + ANSWERS_KEPT_MS
  for n = 0, clients - 1 do
    local list = LANE.answers .. ARGV[8 + 2 * n]
    redis.call('RPUSH', list, ARGV[9 + 2 * n])
    if redis.call('PTTL', list) < kept_ms then
      redis.call('PEXPIRE', list, kept_ms)
    end
  end
  local at = 8 + 2 * clients
  if counted >= 0 then
    count_for_route(ref, ARGV[at], ARGV[at + 1], at + 2, at + 1 + 2 * counted)
    at = at + 2 + 2 * counted
  end
  for n = at + 1, #ARGV, 3 do
    store_celery_result(ARGV[n], 1, ARGV[n + 1], ARGV[n + 2], 'null', ARGV[at])
    redis.call('EXPIRE', KEY.meta .. ARGV[n], RESULT_KEPT_S)
  end
  local answered = count_taken(drainer)
  if answered > 0 then
    observe('batch', answered, BOUNDS.batch)
    count_predictions(ref, answered)
    redis.call('DEL', unpack(taken_lists(drainer)))
  end
  redis.call('LREM', LANE.idle .. ref, 0, drainer)
  batch = take_from(ref, drainer, most)
  redis.call('SET', LANE.turn .. drainer, turn .. ' ' .. last_deadline_of(batch), 'EX', 60)
  -- One that takes none could not use the requests that it would be woken for.
  if #batch == 0 and most > 0 then
    redis.call('RPUSH', LANE.idle .. ref, drainer)
  end
end
local model, alias, number = alias_of_lane(ref)
local has_route = model and redis.call('HEXISTS', KEY.routes, model .. ' ' .. alias) == 1
local route = has_route and routes()(model, alias)
return { now_ms(), number or '', route and cjson.encode(route) or '', batch }
