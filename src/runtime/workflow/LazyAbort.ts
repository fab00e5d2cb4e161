/** An abort signal that is made when somebody looks at it: most code never does, and making one costs more than a step. */
export class LazyAbort {
  private controller: AbortController | null = null
  private aborted: { readonly reason: unknown } | null = null

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.aborted !== null && !this.controller.signal.aborted) this.controller.abort(this.aborted.reason)
    return this.controller.signal
  }

  abort(reason: unknown): void {
    this.aborted ??= { reason }
    this.controller?.abort(reason)
  }
}
