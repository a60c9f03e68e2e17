// Reads docker/Dockerfile and .dockerignore, as far as the project's own go; an instruction that is not known is an error, never passed over.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

const KNOWN = [
  'WORKDIR',
  'COPY',
  'RUN',
  'ENV',
  'EXPOSE',
  'VOLUME',
  'USER',
  'STOPSIGNAL',
  'HEALTHCHECK',
  'ENTRYPOINT',
  'CMD',
] as const;

export type Instruction = { readonly name: (typeof KNOWN)[number]; readonly text: string };
export type Stage = { readonly name: string; readonly image: string; readonly instructions: readonly Instruction[] };
export type Copy = { readonly from: string | undefined; readonly sources: readonly string[]; readonly target: string };

export function readDockerfile(): Stage[] {
  const stages: { name: string; image: string; instructions: Instruction[] }[] = [];
  const text = readFileSync(join(ROOT, 'docker/Dockerfile'), 'utf8');
  for (const line of text.split('\n').filter((one) => one.trim() !== '' && !one.startsWith('#'))) {
    const [, word, rest] = /^([A-Z]+)\s+(.*[^\\])$/.exec(line) ?? [];
    if (word === undefined || rest === undefined) throw new Error(`docker/Dockerfile: not understood: ${line}`);
    if (word === 'FROM') {
      const [image = '', , name = 'final'] = rest.split(/\s+/);
      stages.push({ name, image, instructions: [] });
      continue;
    }
    const name = KNOWN.find((known) => known === word);
    if (name === undefined) throw new Error(`docker/Dockerfile: unknown instruction: ${line}`);
    stages.at(-1)!.instructions.push({ name, text: rest });
  }
  return stages;
}

export function copyOf(text: string): Copy {
  const words = text.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? words.shift()!.slice('--from='.length) : undefined;
  if (words.some((word) => word.startsWith('--') || /[*?[]/.test(word)))
    throw new Error(`docker/Dockerfile: COPY ${text}: not understood`);
  return { from, sources: words.slice(0, -1), target: words.at(-1)! };
}

/** `A=1 B=2`; values without spaces. */
export function environmentOf(stage: Stage): Record<string, string> {
  const assignments = textsOf(stage, 'ENV').flatMap((text) => text.split(/\s+/));
  return Object.fromEntries(assignments.map((assignment) => assignment.split(/=(.*)/s, 2)));
}

/** The words of ENTRYPOINT and CMD in their exec form. @throws SyntaxError for a shell form: signals would end at the shell */
export function execForm(stage: Stage, name: 'ENTRYPOINT' | 'CMD'): string[] {
  return JSON.parse(textsOf(stage, name).at(-1) ?? '') as string[];
}

export function healthCheckOf(stage: Stage): string[] {
  const text = textsOf(stage, 'HEALTHCHECK').at(-1) ?? '';
  return JSON.parse(text.slice(text.indexOf('CMD ') + 'CMD '.length)) as string[];
}

export function textsOf(stage: Stage, name: Instruction['name']): string[] {
  return stage.instructions.filter((one) => one.name === name).map((one) => one.text);
}

/** True if .dockerignore keeps the path out of what a build sees. The last line that matches decides, as for the engine. */
export function isIgnored(path: string): boolean {
  let ignored = false;
  for (const line of readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')) {
    const pattern = line.replace(/^!/, '').trim();
    if (pattern === '' || pattern.startsWith('#')) continue;
    if (pattern === '*' || path === pattern || path.startsWith(`${pattern}/`)) ignored = !line.startsWith('!');
  }
  return ignored;
}
