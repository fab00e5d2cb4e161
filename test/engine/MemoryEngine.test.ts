import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import { engineConformance } from "./conformance.ts"

engineConformance("MemoryEngine", () => MemoryEngine.layer())
