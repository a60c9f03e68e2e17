// Is the worker fit to be sent to? Asked by the health pages.

/** `reasons` is empty exactly when `ready`. `degraded`: what does not go as it should although it is ready, such as commits that do
 *  not get out. Each is one line without personal data. */
export type Readiness = { readonly ready: boolean; readonly reasons: readonly string[]; readonly degraded: readonly string[] };

export interface Health {
  readiness(): Readiness;
}
