-- What tenants have. Returns {tenant, jobs that have not started, …} and {tenant, jobs that run, …}.
return { redis.call('HGETALL', KEY.queued), redis.call('HGETALL', KEY.running) }
