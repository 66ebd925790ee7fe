-- The jobs that wait and that a controller goes on with. No arguments. Returns of each {id, spec, what is kept, what was said
-- to it (JSON or ''), 1 if its route is open, 1 if the version that the route leads to is loaded, what was counted {field,
-- value, …}}. Those that have ended are followed no more.
local answer = {}
for _, id in ipairs(redis.call('SMEMBERS', KEY.followed)) do
  local state, spec, kept, paused = unpack(record(id, 'state', 'spec', 'kept', 'paused'))
  local is_json, asked = pcall(cjson.decode, spec or '')
  local role = is_json and type(asked) == 'table' and type(asked.approval) == 'string' and asked.approval
  if not (YET_TO_START[state] or state == 'RUNNING') then
    redis.call('SREM', KEY.followed, id)
    if role then
      redis.call('HDEL', KEY.approvals .. role, id)
    end
  elseif state == 'WAITING' and kept and not paused then
    local said = role and redis.call('HGET', KEY.approvals .. role, id)
    local _, _, route = route_of_job(id)
    answer[#answer + 1] = { id, spec or '', kept, said or '', route and 1 or 0, route and route.ready and 1 or 0,
      redis.call('HGETALL', KEY.evidence .. id) }
  end
end
return answer
