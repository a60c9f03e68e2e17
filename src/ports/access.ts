// Who may use the HTTP port, and for what. The API rooms see this, never a file.
import type { Scope } from '../base/scope.ts';

/** What a token allows. `datasets`: messages to, and deletes of, these alone; null: every dataset, and whole profiles. */
export type Grant = {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly datasets: ReadonlySet<string> | null;
};

export interface TokenBook {
  /** Undefined: nobody has this token. It takes as long, whichever it is. */
  grantOf(token: string): Grant | undefined;
}

/** Why somebody was not let in. */
export const DENIALS = ['no_token', 'bad_token', 'missing_scope', 'other_dataset', 'foreign_origin', 'foreign_host'] as const;
export type Denial = (typeof DENIALS)[number];

export type Access = {
  /** Null: nobody is asked who they are. */
  readonly tokens: TokenBook | null;
  /** Without tokens: by which hosts a request may name the port. Another came by a name that somebody else owns. */
  readonly isOurs: (hostname: string) => boolean;
  readonly onDenied: (why: Denial) => void;
};
