-- Take the lease of a source: if it is free, if it is already ours (a restarted process of the same owner), or if it
-- still has the value that the caller has seen unchanged for the lifetime of a lease, whatever Redis' clock says.
-- KEYS: lease, epoch, pointer   ARGV: owner, lifetime in ms, that value or '', least epoch
-- -> the new epoch as text, or nil
-- The value is owner:epoch:n, where n is the number of renewals. The epoch never repeats: it is above the last one and
-- the pointer's, which survive a fail-over, and at least the server's time in ms, which survives a flush.
local held = text_of(KEYS[1])
if held and held ~= ARGV[3] and string.match(held, '^(.*):%d+:%d+$') ~= ARGV[1] then
  return nil
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local last = whole(text_of(KEYS[2])) or 0
local announced = whole(decoded(text_of(KEYS[3])).epoch) or 0
local epoch = string.format('%.0f', math.max(last + 1, announced + 1, now_ms, tonumber(ARGV[4])))
redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- a full Redis takes a SET after a command that needs no memory
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. epoch .. ':0', 'PX', ARGV[2])
return epoch
