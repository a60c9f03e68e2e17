// An operator, an account and users by JWT, as `nsc` would make them, for a server that knows them from its configuration.
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export type Permissions = { readonly publish: readonly string[]; readonly subscribe: readonly string[] };

export interface Operator {
  /** Lines of the server's configuration. */
  readonly config: string;
  /** A credentials file for a user of the account, with the permissions of a role. `expires`: seconds since 1970 */
  credentials(role: string, expires?: number): string;
}

/** The permissions stand with the account, one signing key for each role: what a user shows has a bound of 4 KB (`max_control_line`), which
 *  those of a worker are past. */
export function createOperator(roles: Readonly<Record<string, Permissions>>): Operator {
  const operator = nkeys.createOperator();
  const system = nkeys.createAccount();
  const account = nkeys.createAccount();
  const self = { type: 'operator', version: 2, system_account: system.getPublicKey() };
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const streams = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const keys = new Map(Object.keys(roles).map((role) => [role, nkeys.createAccount()]));
  const signing_keys = Object.entries(roles).map(([role, { publish, subscribe }]) => ({
    kind: 'user_scope',
    key: keys.get(role)!.getPublicKey(),
    role,
    template: { pub: { allow: publish }, sub: { allow: subscribe }, subs: -1, data: -1, payload: -1 },
  }));
  const accountJwt = (of: KeyPair, limits: object, more: object = {}): string =>
    jwt(operator, of.getPublicKey(), 'account', { nats: { type: 'account', version: 2, limits, ...more } });
  return {
    config: [
      `operator: ${jwt(operator, operator.getPublicKey(), 'operator', { nats: self })}`,
      'resolver: MEMORY',
      `resolver_preload: {`,
      `  ${system.getPublicKey()}: ${accountJwt(system, unlimited)}`,
      `  ${account.getPublicKey()}: ${accountJwt(account, { ...unlimited, ...streams }, { signing_keys })}`,
      '}',
    ].join('\n'),
    credentials(role, expires) {
      const user = nkeys.createUser();
      const nats = { type: 'user', version: 2, issuer_account: account.getPublicKey() };
      const token = jwt(keys.get(role)!, user.getPublicKey(), role, { nats, ...(expires === undefined ? {} : { exp: expires }) });
      const block = (title: string, text: string): string => `-----BEGIN ${title}-----\n${text}\n------END ${title}------\n`;
      return `${block('NATS USER JWT', token)}\n${block('USER NKEY SEED', new TextDecoder().decode(user.getSeed()))}`;
    },
  };
}

function jwt(issuer: KeyPair, subject: string, name: string, more: object): string {
  const text = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = { jti: subject, iat: Math.floor(Date.now() / 1000), iss: issuer.getPublicKey(), name, sub: subject, ...more };
  const signed = `${text({ typ: 'JWT', alg: 'ed25519-nkey' })}.${text(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
}
