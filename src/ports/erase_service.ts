// What a worker takes when somebody is to be erased. The API rooms see this, never a shard.

export type EraseQuery = { readonly namespace: string; readonly id: string };

/** `hash` is what the identity is called from now on; `request` names this request among others about it. */
export type EraseAccepted = { readonly shard: number; readonly hash: string; readonly request: string };

export interface EraseService {
  /** Resolves when it will be done, whatever happens to the worker. @throws VisageError `bad_identity`, `shard_not_ready`, `unavailable` … */
  erase(query: EraseQuery): Promise<EraseAccepted>;
}
