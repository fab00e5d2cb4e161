/** Where the data of an opsgate lies. Kept apart from the checks of the whole configuration, so that reading verbs start fast. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

export const defaultConfigFile = "opsgate.config.json"
export const defaultDataDir = ".opsgate"

/** The configuration that was asked for cannot tell where its data lies. */
export class NotLocated extends Error {}

/**
 * The data folder that a configuration names; the default where there is no file. Throws `NotLocated` when the file is
 * not JSON or cannot be read, and when a file was named that is not there: its data would be looked for in the wrong place.
 */
export const locate = (configFile: string | undefined): string => {
  const path = resolve(configFile ?? defaultConfigFile)
  const root = dirname(path)
  if (!existsSync(path)) {
    if (configFile !== undefined) throw new NotLocated(`${path} does not exist`)
    return resolve(root, defaultDataDir)
  }
  const json = parsed(path, textOf(path))
  const named = typeof json === "object" && json !== null && "data_dir" in json ? json.data_dir : undefined
  if (named !== undefined && typeof named !== "string") throw new NotLocated(`${path}: data_dir must be string`)
  return resolve(root, named ?? defaultDataDir)
}

const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    throw new NotLocated(`${path} cannot be read`, { cause })
  }
}

const parsed = (path: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new NotLocated(`${path} is not JSON`, { cause })
  }
}

export const databaseFile = (dataDir: string): string => join(dataDir, "opsgate.db")
export const runsDir = (dataDir: string): string => join(dataDir, "runs")
export const socketFile = (dataDir: string): string => join(dataDir, "opsgate.sock")
