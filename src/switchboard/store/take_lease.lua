-- Take the lease of a source, if it is free or already ours (a restarted process of the same owner).
-- KEYS: lease, epoch   ARGV: owner, lifetime in ms   -> the new epoch as text, or nil
-- The epoch never repeats, not even after a flush, because it is at least the server's own time in ms.
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^(.*):%d+$') ~= ARGV[1] then
  return nil
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local epoch = string.format('%.0f', math.max(last + 1, now_ms))
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. epoch, 'PX', ARGV[2])
return epoch
