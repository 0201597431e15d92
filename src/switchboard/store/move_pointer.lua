-- Announce a snapshot: the last write of a publication.
-- KEYS: pointer, lease   ARGV: owner:epoch, manifest, TTL in ms, channel, source
-- -> 'moved', 'lease' (the lease is not ours) or 'older' (the pointer names a newer snapshot)
-- Newer is: a higher epoch, or within one epoch a later scrape. A writer that was paused has an old epoch, and no lease.
-- Moving to the snapshot that is there already succeeds, so that the call may be repeated.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 'lease'
end
local current = redis.call('GET', KEYS[1])
if current then
  local readable, old = pcall(cjson.decode, current)
  local new = cjson.decode(ARGV[2])
  if readable and type(old) == 'table' and old.epoch and old.scraped_ms and old.snapshot ~= new.snapshot
    and (old.epoch > new.epoch or (old.epoch == new.epoch and old.scraped_ms >= new.scraped_ms)) then
    return 'older'
  end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 'moved'
