// The curl commands of the documentation, asked of a worker: the few options that stand there, no curl needed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATUS_CODES } from 'node:http';
import { ask, type Answer, type AskOptions } from './ask.ts';
import { shellWords } from './shell_words.ts';

export type Curl = AskOptions & {
  readonly path: string;
  /** -N: the answer is a stream. */
  readonly isStream: boolean;
  /** -i: the head is printed too. */
  readonly withHead: boolean;
};

/** @param folder of files that a body is read from  @throws Error for an option that is not known here */
export function parseCurl(line: string, folder: string): Curl {
  const [program, ...words] = shellWords(line);
  if (program !== 'curl') throw new Error(`no curl: ${line}`);
  const headers: Record<string, string> = {};
  const data: string[] = [];
  let body: string | Uint8Array | undefined;
  let [method, url, isQuery, isStream, withHead]: [string | undefined, string, boolean, boolean, boolean] = [
    undefined,
    '',
    false,
    false,
    false,
  ];
  while (words.length > 0) {
    const word = words.shift()!;
    const next = (): string => words.shift()!;
    if (word === '-X') method = next();
    else if (word === '-G') isQuery = true;
    else if (word === '-N') isStream = true;
    else if (word === '-i') withHead = true;
    else if (word === '-H') {
      const [, name, value] = /^([^:]+): *(.*)$/.exec(next())!;
      headers[name!.toLowerCase()] = value!;
    } else if (word === '-d') data.push(next());
    else if (word === '--data-urlencode') data.push(next().replace(/(?<==).*/s, encodeURIComponent));
    else if (word === '--data-binary') body = readFileSync(join(folder, next().replace(/^@/, '')));
    else if (word.startsWith('-')) throw new Error(`${word} is not known here: ${line}`);
    else url = word;
  }
  const { pathname, search } = new URL(url);
  const query = isQuery && data.length > 0 ? `${search === '' ? '?' : '&'}${data.join('&')}` : '';
  if (!isQuery && data.length > 0) body = data.join('&');
  if (body !== undefined) headers['content-type'] ??= 'application/x-www-form-urlencoded';
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    path: `${pathname}${search}${query}`,
    headers,
    ...(body === undefined ? {} : { body }),
    isStream,
    withHead,
  };
}

/** What curl prints. */
export async function curl(port: number | undefined, command: Curl): Promise<{ readonly answer: Answer; readonly out: string }> {
  const answer = await ask(port, command.path, command);
  const { status, headers, text } = answer;
  if (!command.withHead) return { answer, out: text };
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`),
  ];
  return { answer, out: `${head.join('\n')}\n\n${text}` };
}
