// Is the worker fit to be sent to? Asked by the health pages.

/** `reasons` is empty exactly when `ready`; each is one line without personal data. */
export type Readiness = { readonly ready: boolean; readonly reasons: readonly string[] };

export interface Health {
  readiness(): Readiness;
}
