/** Lays a module between a project and `opsgate`: everything of it as it is, and its `Task` seen by `bodies.mjs`. Runs in node's thread for loaders. */
const scheme = "opsgate-seen:"
let bodies = ""

export const initialize = (data) => {
  bodies = data.bodies
}

export const resolve = async (specifier, context, next) => {
  const found = await next(specifier, context)
  return specifier === "opsgate" && !(context.parentURL ?? "").startsWith(scheme) ? { url: `${scheme}${found.url}`, format: "module", shortCircuit: true } : found
}

export const load = (url, context, next) => {
  if (!url.startsWith(scheme)) return next(url, context)
  const real = JSON.stringify(url.slice(scheme.length))
  const source = `import { Task as real } from ${real}\nimport { seen } from ${JSON.stringify(bodies)}\nexport * from ${real}\nexport const Task = seen(real)\n`
  return { format: "module", shortCircuit: true, source }
}
