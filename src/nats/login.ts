// Who a connection says it is: a credentials file, a token, or a user with a password. Secrets stand in files, never in a setting: a
// process list, an environment or a log would show them.
// LO1: a file is read again for each attempt to connect: what was rotated is in it. What cannot be used just then (a file that is being
//      replaced) counts as unchanged: the client closes a connection whose authenticator throws.
// LO2: no error says what is in a file.
import { readFileSync } from 'node:fs';
import { credsAuthenticator, type Authenticator } from '@nats-io/transport-node';
import { VisageError } from '../base/errors.ts';

/** At most one of the three: `credentials`, `tokenFile`, or `user` with `passwordFile`. All but `user` are paths. */
export type Login = {
  readonly credentials: string | null;
  readonly tokenFile: string | null;
  readonly user: string | null;
  readonly passwordFile: string | null;
};

/** Undefined: none is given.
 *  @throws VisageError `bad_login` (usage) · `unreadable_file` when a file cannot be used the first time */
export function authenticatorOf({ credentials, tokenFile, user, passwordFile }: Login): Authenticator | undefined {
  const ways = [
    ...(credentials === null ? [] : ['nats.credentials']),
    ...(tokenFile === null ? [] : ['nats.tokenFile']),
    ...(user === null && passwordFile === null ? [] : ['nats.user with nats.passwordFile']),
  ];
  if (ways.length > 1)
    throw new VisageError('bad_login', `${ways.join(' and ')} are given: a connection takes one of them`, { kind: 'usage' });
  if ((user === null) !== (passwordFile === null))
    throw new VisageError('bad_login', 'nats.user and nats.passwordFile go together; one of them is missing', { kind: 'usage' });
  if (credentials !== null) return credentialsFrom(credentials);
  if (tokenFile !== null) return secretFrom(tokenFile, 'nats.tokenFile', (token) => ({ auth_token: token }));
  if (passwordFile !== null) return secretFrom(passwordFile, 'nats.passwordFile', (pass) => ({ user: user!, pass }));
  return undefined;
}

function credentialsFrom(path: string): Authenticator {
  return rereading(path, 'nats.credentials', (bytes) => {
    const authenticate = credsAuthenticator(bytes);
    authenticate('nonce'); // it parses when it is used: what is cut short must show now
    return authenticate;
  });
}

/** The file's text is the secret; editors end a file with a line break, which is none of it. */
function secretFrom(path: string, setting: string, say: (secret: string) => ReturnType<Authenticator>): Authenticator {
  return rereading(path, setting, (bytes) => {
    const secret = bytes.toString('utf8').replace(/\r?\n$/, '');
    if (secret === '') throw new Error('it is empty');
    const said = say(secret);
    return () => said;
  });
}

function rereading(path: string, setting: string, make: (bytes: Buffer) => Authenticator): Authenticator {
  const bytes = readOrExplain(path, setting);
  let good: Authenticator;
  try {
    good = make(bytes);
  } catch (cause) {
    throw new VisageError('unreadable_file', `${setting}: ${path} is empty, or not such a file`, { cause, kind: 'usage' });
  }
  return (nonce) => {
    try {
      good = make(readFileSync(path));
    } catch {
      // LO1
    }
    return good(nonce);
  };
}

/** @throws VisageError `unreadable_file` */
export function readOrExplain(path: string, setting: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VisageError('unreadable_file', `${setting}: cannot read ${path}`, { cause, kind: 'usage' });
  }
}
