-- Says that a backup has ended, if it is the one that goes on. ARGV: name
if redis.call('GET', KEY.backup) == ARGV[1] then
  redis.call('DEL', KEY.backup)
end
