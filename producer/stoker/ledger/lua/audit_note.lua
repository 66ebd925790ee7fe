-- Notes an entry once. ARGV: the entry (JSON), whose `id` tells a repeat; that is looked for among the newest.
local entry = cjson.decode(ARGV[1])
if is_audited then
  for _, noted in ipairs(redis.call('XREVRANGE', JOURNAL, '+', '-', 'COUNT', 100)) do
    if string.find(noted[2][2] or '', entry.id, 1, true) then
      return 0
    end
  end
  audit(entry)
end
return 1
