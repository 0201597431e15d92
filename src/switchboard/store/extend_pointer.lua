-- Confirm a snapshot: its manifest with the next number, and a whole TTL again, if the pointer still names it.
-- KEYS: pointer, lease   ARGV: owner:epoch, renewals of the lease, manifest, TTL in ms
-- -> 'extended', 'lease' (the lease is not ours), 'gone' (there is no pointer, or it names another snapshot) or 'older'
--    (a later confirmation is there already)
-- The manifest is written as it came: cjson would turn 1795460000123456 into 1.7954600001235e+15, and [] into {}.
if not is_held(text_of(KEYS[2]), ARGV[1], ARGV[2]) then
  return 'lease'
end
local text = text_of(KEYS[1])
if text == ARGV[3] then
  return 'extended' -- the call is repeated, because its answer was lost
end
local old, new = decoded(text), cjson.decode(ARGV[3])
if old.snapshot ~= new.snapshot then
  return 'gone'
end
local epoch, seq = whole(old.epoch) or 0, whole(old.seq) or 0
if epoch > new.epoch or (epoch == new.epoch and seq >= new.seq) then
  return 'older'
end
-- In this order: a full Redis refuses a SET, but not one that follows a command that needs no memory.
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 'extended'
