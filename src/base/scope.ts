// What a caller may be allowed to do over HTTP. None of them implies another: a token lists each that it has.
export const SCOPES = ['read', 'write', 'delete', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];
