-- Announce a snapshot: the last write of a publication.
-- KEYS: pointer, lease   ARGV: owner:epoch, renewals of the lease, manifest, TTL in ms, channel, source
-- -> 'moved', 'lease' (the lease is not ours) or 'older' (the pointer names a newer snapshot)
-- Newer is: a higher epoch, or within one epoch a later number and scrape. A writer that was paused has an old epoch.
-- What is announced already stays so: the call may be repeated when its answer was lost.
local new = cjson.decode(ARGV[3])
local old = decoded(text_of(KEYS[1]))
if old.snapshot == new.snapshot then
  return 'moved'
end
if not is_held(text_of(KEYS[2]), ARGV[1], ARGV[2]) then
  return 'lease'
end
local epoch, scraped_ms, seq = whole(old.epoch), whole(old.scraped_ms), whole(old.seq) or 0
if epoch and scraped_ms
  and (epoch > new.epoch or (epoch == new.epoch and (scraped_ms >= new.scraped_ms or seq >= new.seq))) then
  return 'older'
end
-- In this order: if the right to publish is missing, nothing has changed. Whoever hears it sees the new pointer.
redis.call('PUBLISH', ARGV[5], ARGV[6])
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 'moved'
