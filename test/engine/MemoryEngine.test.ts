import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { approvalConformance } from "./approvals.ts"
import { engineConformance } from "./conformance.ts"
import { upkeepConformance } from "./upkeep.ts"
import { queueConformance } from "./queues.ts"
import { scheduleConformance } from "./schedules.ts"
import { summaryConformance } from "./summaries.ts"
import { traceConformance } from "./traces.ts"

engineConformance("MemoryEngine", () => MemoryEngine.layer())
upkeepConformance("MemoryEngine", () => MemoryEngine.layer())
queueConformance("MemoryEngine", () => MemoryEngine.layer())
scheduleConformance("MemoryEngine", () => MemoryEngine.layer())
approvalConformance("MemoryEngine", () => MemoryEngine.layer())
summaryConformance("MemoryEngine", () => MemoryEngine.layer())
traceConformance("MemoryEngine", () => MemoryEngine.layer())
