/** An abort signal that is made when somebody looks at it: most code never does, and making one costs more than a step. */
export interface LazyAbort {
  readonly signal: AbortSignal
  readonly abort: (reason: unknown) => void
}

export const make = (): LazyAbort => {
  let controller: AbortController | null = null
  let aborted: { readonly reason: unknown } | null = null
  return {
    get signal() {
      controller ??= new AbortController()
      if (aborted !== null && !controller.signal.aborted) controller.abort(aborted.reason)
      return controller.signal
    },
    abort: (reason) => {
      aborted ??= { reason }
      controller?.abort(reason)
    }
  }
}
