-- Renew (lifetime > 0) or release (lifetime 0) a lease that is still ours.
-- KEYS: lease   ARGV: owner:epoch, lifetime in ms   -> 1, or 0 if the lease is not ours any more
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
