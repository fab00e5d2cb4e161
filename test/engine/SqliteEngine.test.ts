import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Layer } from "effect"
import * as Live from "../../src/engine/Live.ts"
import * as SqliteEngine from "../../src/engine/SqliteEngine.ts"
import { approvalConformance } from "./approvals.ts"
import { engineConformance } from "./conformance.ts"
import { upkeepConformance } from "./upkeep.ts"
import { queueConformance } from "./queues.ts"
import { scheduleConformance } from "./schedules.ts"
import { summaryConformance } from "./summaries.ts"
import { traceConformance } from "./traces.ts"

const fresh = () => join(mkdtempSync(join(tmpdir(), "opsgate-engine-")), "opsgate.db")

const layer = (file = fresh()) => SqliteEngine.layer({ file, streamId: "db-test" }).pipe(Layer.provide(Layer.merge(Live.flush, Live.fatal)))

engineConformance("SqliteEngine", () => layer())
upkeepConformance("SqliteEngine", () => layer())
queueConformance("SqliteEngine", () => layer())
scheduleConformance("SqliteEngine", () => layer())
approvalConformance("SqliteEngine", () => layer())
summaryConformance("SqliteEngine", () => layer())
traceConformance("SqliteEngine", () => layer())
