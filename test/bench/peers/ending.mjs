/**
 * Servers and folders that must not outlive the bench. What is registered here is ended, the newest first, when the bench
 * ends by itself, by an error that nobody caught, or by a signal. A SIGKILL of the bench leaves its server running.
 */
const open = new Set()

/** Runs every registered end that did not run yet, hurried: clients are not waited for. One that fails is printed and does not keep the others from running. */
export const endAll = async () => {
  for (const end of [...open].reverse()) {
    try {
      await end(true)
    } catch (error) {
      console.error(error)
    }
  }
}

let handled = false
let leaving = false
const leave = async (code) => {
  leaving = true
  // Clients whose server is being ended under them complain at length; that is meant.
  console.error = () => undefined
  await endAll()
  process.exit(code)
}
const handle = () => {
  if (handled) return
  handled = true
  process.once("SIGINT", () => leave(130))
  process.once("SIGTERM", () => leave(143))
  process.once("SIGHUP", () => leave(129))
  process.on("uncaughtException", (error) => {
    if (leaving) return
    console.error(error)
    void leave(1)
  })
}

/** Answers the registered end, which does its work once however often it is called, and may be told to hurry. */
export const atEnd = (end) => {
  handle()
  let ended
  const once = (hurried = false) => {
    ended ??= Promise.resolve(end(hurried)).finally(() => open.delete(once))
    return ended
  }
  open.add(once)
  return once
}
