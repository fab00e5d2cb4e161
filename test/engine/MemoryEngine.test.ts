import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { engineConformance } from "./conformance.ts"
import { upkeepConformance } from "./upkeep.ts"
import { queueConformance } from "./queues.ts"
import { scheduleConformance } from "./schedules.ts"

engineConformance("MemoryEngine", () => MemoryEngine.layer())
upkeepConformance("MemoryEngine", () => MemoryEngine.layer())
queueConformance("MemoryEngine", () => MemoryEngine.layer())
scheduleConformance("MemoryEngine", () => MemoryEngine.layer())
