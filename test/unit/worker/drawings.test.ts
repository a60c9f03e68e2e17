// The pictures of the lifecycles in docs/architecture.md are made from the statecharts. UPDATE_DOCS=1 writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { shardMachine } from '../../../src/worker/shard_machine.ts';
import { workerMachine } from '../../../src/worker/worker_machine.ts';

const DOC = new URL('../../../docs/architecture.md', import.meta.url);

type Transition = { readonly target?: readonly Node[] | undefined; readonly guard?: unknown };

type Node = {
  readonly key: string;
  readonly path: readonly string[];
  readonly type: string;
  readonly initial: { readonly target: readonly Node[] } | undefined;
  readonly states: Readonly<Record<string, Node>>;
  readonly transitions: ReadonlyMap<string, readonly Transition[]>;
  readonly always?: readonly Transition[] | undefined;
};

function label(event: string): string {
  if (event.startsWith('xstate.done')) return 'done';
  if (event.startsWith('xstate.error')) return 'failed';
  if (event.startsWith('xstate.after')) return 'after back-off';
  return event;
}

function lines(node: Node, indent: string): string[] {
  const out: string[] = [];
  if (node.initial !== undefined) out.push(`${indent}[*] --> ${node.initial.target[0]!.key}`);
  for (const child of Object.values(node.states)) {
    if (Object.keys(child.states).length > 0)
      out.push(`${indent}state ${child.key} {`, ...lines(child, `${indent}  `), `${indent}}`);
    for (const [event, transitions] of child.transitions) {
      for (const transition of transitions) {
        const guard = typeof transition.guard === 'string' ? ` [${transition.guard}]` : '';
        for (const target of transition.target ?? [])
          out.push(`${indent}${child.key} --> ${target.key}: ${label(event)}${guard}`);
      }
    }
    for (const { target, guard } of child.always ?? [])
      for (const to of target ?? []) out.push(`${indent}${child.key} --> ${to.key}: [${String(guard)}]`);
    if (child.type === 'final') out.push(`${indent}${child.key} --> [*]`);
  }
  return out;
}

function draw(root: unknown): string {
  return ['```mermaid', 'stateDiagram-v2', ...lines(root as Node, '  '), '```'].join('\n');
}

test.each([
  ['shard', shardMachine.root],
  ['worker', workerMachine.root],
])('the picture of the %s lifecycle in docs/architecture.md is today’s', (name, root) => {
  const text = readFileSync(DOC, 'utf8');
  const begin = `<!-- drawn: ${name} -->\n`;
  const end = `\n<!-- /drawn: ${name} -->`;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  expect(from).toBeGreaterThan(begin.length - 1);
  expect(to).toBeGreaterThan(from - 1);
  const picture = draw(root);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOC, text.slice(0, from) + picture + text.slice(to));
  else expect(text.slice(from, to)).toBe(picture);
});
