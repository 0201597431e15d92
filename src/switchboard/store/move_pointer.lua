-- Announce a snapshot: the last write of a publication.
-- KEYS: pointer, lease   ARGV: owner:epoch, manifest, TTL in ms, channel, source
-- -> 'moved', 'lease' (the lease is not ours) or 'older' (the pointer names a newer snapshot)
-- Newer is: a higher epoch, or within one epoch a later scrape. A writer that was paused has an old epoch, and no lease.
-- What is announced already stays so: the call may be repeated when its answer was lost.
local new = cjson.decode(ARGV[2])
local readable, old = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '')
if not readable or type(old) ~= 'table' then
  old = {}
end
if old.snapshot == new.snapshot then
  return 'moved'
end
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 'lease'
end
if type(old.epoch) == 'number' and type(old.scraped_ms) == 'number'
  and (old.epoch > new.epoch or (old.epoch == new.epoch and old.scraped_ms >= new.scraped_ms)) then
  return 'older'
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 'moved'
