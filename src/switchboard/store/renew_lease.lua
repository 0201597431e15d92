-- Renew (lifetime > 0) or release (lifetime 0) a lease that is still ours. Renewing raises its number to n.
-- KEYS: lease   ARGV: owner:epoch, n, lifetime in ms   -> 1, or 0 if the lease is not ours any more
-- A call may be repeated when its answer was lost: then the number is n already.
local held = text_of(KEYS[1])
local value = ARGV[1] .. ':' .. ARGV[2]
if held ~= value and held ~= ARGV[1] .. ':' .. string.format('%.0f', ARGV[2] - 1) then
  return 0
end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[3]) -- a full Redis takes a SET after a command that needs no memory
  redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
end
return 1
