-- Routes: how an alias shares its requests between the version that it points at and another. A route belongs to a job, and
-- holds as long as that has not ended and nobody else has moved the alias. Shared by the scripts that open, use or end one.
--
-- Nothing is written where a job ends, for clients end jobs, too, and may not write routes: one that does not hold counts as
-- none from that moment on, and whoever may write it takes it away at the next look.
local ENDS_A_ROUTE = { SUCCEEDED = true, FAILED = true, CANCELLED = true, DEAD = true, PRUNED = true }

local function parts_of_route(field)
  return string.match(field, '^(%S+) (%S+)$')
end

-- A route as it is written; nil if there is none, or none of ours.
local function written_route(model, alias)
  local raw = model and redis.call('HGET', KEY.routes, model .. ' ' .. alias)
  local is_json, route = pcall(cjson.decode, raw or 'null')
  if raw and is_json and type(route) == 'table' and type(route.job) == 'string' and type(route.from) == 'number'
    and type(route.to) == 'number' and type(route.share) == 'number' and type(route.hard_stop) == 'number' then
    return route
  end
end

local function write_route(model, alias, route)
  redis.call('HSET', KEY.routes, model .. ' ' .. alias, cjson.encode(route))
end

-- Why a route does not hold; nil if it does.
local function flaw_of_route(model, alias, route)
  local state, owns = unpack(record(route.job, 'state', 'route'))
  local points_at = redis.call('HGET', KEY.aliases .. model, alias)
  if not state or ENDS_A_ROUTE[state] or owns ~= model .. ' ' .. alias then
    return 'job ' .. route.job .. ', whose it was, has ended'
  elseif tonumber(points_at or nil) ~= route.from then
    return 'the alias points at ' .. (points_at or 'no version') .. ' now, no longer at ' .. route.from
  elseif not version_of(model, string.format('%d', route.to)) then
    return 'version ' .. route.to .. ' is no more'
  end
end

-- The route of an alias; nil if there is none that holds.
local function standing_route(model, alias)
  local route = written_route(model, alias)
  return route and not flaw_of_route(model, alias, route) and route or nil
end

-- Those of a model, by alias.
local function routes_of(model)
  local routes = {}
  for _, field in ipairs(redis.call('HKEYS', KEY.routes)) do
    local its_model, alias = parts_of_route(field)
    routes[alias or ''] = its_model == model and standing_route(model, alias) or nil
  end
  return routes
end

-- Ends a route: notes why, as a change of the model, and with what was counted. `how` is 'promoted' or 'closed'.
local function end_route(model, alias, route, how, why)
  redis.call('HDEL', KEY.routes, model .. ' ' .. alias)
  if redis.call('EXISTS', KEY.job .. route.job) == 1 then
    redis.call('HSET', KEY.evidence .. route.job, 'closed', why, 'how', how)
    redis.call('HDEL', KEY.job .. route.job, 'route')
  end
  note_change(model, { routed = alias, from = route.from, to = route.to, share = route.share, how = how, why = why,
    by = route.job })
  local ref, is_promoted = model .. '@' .. string.format('%d', route.to), how == 'promoted'
  raise_alarm({ what = is_promoted and 'promoted' or 'rolled back', model = ref, job = route.job,
    text = ref .. (is_promoted and ' is promoted: ' or ' is rolled back: ') .. why })
end

-- The route of an alias, for a script that may write routes: one that does not hold ends here.
local function open_route(model, alias)
  local route = written_route(model, alias)
  local flaw = route and flaw_of_route(model, alias, route)
  if flaw then
    end_route(model, alias, route, 'closed', flaw)
    return nil
  end
  return route
end

-- The route that a job has: its model, alias, and itself; nothing if it has none.
local function route_of_job(id)
  local model, alias = parts_of_route(redis.call('HGET', KEY.job .. id, 'route') or '')
  local route = model and open_route(model, alias)
  if route and route.job == id then
    return model, alias, route
  end
end

-- Counts whether an answer of a version was right, for the routes that it is in.
local function judge_answer(model, number, right)
  for _, route in pairs(routes_of(model)) do
    local side = route.to == number and 'to' or route.from == number and 'from'
    if side then
      redis.call('HINCRBY', KEY.evidence .. route.job, side .. (right and ' right' or ' wrong'), 1)
    end
  end
end
