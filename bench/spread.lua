-- Cells drawn at random from a whole fabric: sw1 … swN, each with every metric.
-- Arguments: number of switches, seed, metrics…
-- All requests are made before the first is sent, so that a draw costs the client next to nothing.

local requests = {}
local random = math.random

function init(arguments)
  local switches, seed = tonumber(arguments[1]), tonumber(arguments[2])
  math.randomseed(seed)
  for metric = 3, #arguments do
    for switch = 1, switches do
      local target = "/telemetry/GetMetric?switch_id=sw" .. switch .. "&metric=" .. arguments[metric]
      requests[#requests + 1] = wrk.format("GET", target)
    end
  end
end

function request()
  return requests[random(#requests)]
end
