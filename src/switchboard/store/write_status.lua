-- Say what became of an attempt, unless another writer has the source by now: then the word is with that one.
-- KEYS: status, lease   ARGV: owner:epoch, renewals of the lease, status, TTL in ms   -> 1, or 0 if it is not ours
if not is_held(text_of(KEYS[2]), ARGV[1], ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
