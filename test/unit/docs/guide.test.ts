// docs/definitions.md: the events of the page, folded as a worker folds them, come to the values that its tables say, at the times that
// they say, and change next when they say. What `explain` prints is for test/e2e/guide.test.ts. UPDATE_DOCS=1 writes config/guide.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatTime, parseRfc3339 } from '../../../src/base/time.ts';
import { compilePlan } from '../../../src/definitions/compile_plan.ts';
import { identityKey } from '../../../src/message/identity.ts';
import type { ProfileView } from '../../../src/profile/view.ts';
import { ROOT } from '../../support/doc_pages.ts';
import { DEFINITIONS, EVENTS, questions, RECORD, SETTINGS } from '../../support/guide.ts';
import { load } from '../definitions/definitions_files.ts';
import { FoldRun, LogWriter } from '../shard/fold_run.ts';

const plan = compilePlan(load(DEFINITIONS));
/** Long after what happens in them: the clock is that of the events. */
const STORED_MS = Date.UTC(2027, 0, 1);
const ASKED = questions();

/** A message of the page, and the shard's time once it has come. */
type Arrival = { readonly atMs: number; put(log: LogWriter): void };

function arrivals(): Arrival[] {
  let atMs = 0;
  const events = EVENTS.trimEnd()
    .split('\n')
    .map((line): Arrival => {
      const { timestamp } = JSON.parse(line) as { timestamp: string };
      atMs = Math.max(atMs, parseRfc3339(timestamp));
      return { atMs, put: (log) => void log.event(RECORD.id, line, STORED_MS, 'shop') };
    });
  const { body, dataset, id, lastUpdated } = RECORD;
  const record: Arrival = {
    atMs: parseRfc3339(lastUpdated),
    put: (log) => void log.write(id, body, STORED_MS, { dataset, lastUpdated }),
  };
  return [...events, record].sort((a, b) => a.atMs - b.atMs); // stable: what comes late keeps its place
}

/** The profile as of a time at which everything has come that had to. */
function profileAsOf(asOf: string): ProfileView {
  const run = new FoldRun(plan, Infinity, 'event');
  const log = new LogWriter();
  log.definitions(plan, STORED_MS);
  for (const { atMs, put } of arrivals()) if (atMs <= parseRfc3339(asOf)) put(log);
  log.tick(STORED_MS, parseRfc3339(asOf));
  for (const message of log.messages) expect(run.apply(message).deadLetters).toEqual([]);
  const view = run.view(identityKey({ namespace: 'customerId', id: RECORD.id }))!;
  expect(view.time).toBe(formatTime(parseRfc3339(asOf)));
  return view;
}

test.each([
  ['guide.yaml', SETTINGS],
  ['shop.yaml', DEFINITIONS],
  ['ada.ndjson', EVENTS],
])('config/guide/%s is that of the page', (name, text) => {
  const file = join(ROOT, 'config/guide', name);
  if (process.env['UPDATE_DOCS'] === '1') {
    mkdirSync(join(ROOT, 'config/guide'), { recursive: true });
    writeFileSync(file, text);
  } else expect(readFileSync(file, 'utf8')).toBe(text);
});

test('there are ten questions, with nine of the eleven functions in their answers', () => {
  expect(ASKED).toHaveLength(10);
  const functions = new Set(plan.attributes.map((attribute) => attribute.function));
  expect([...functions].sort()).toEqual(
    ['count', 'countDistinct', 'exists', 'expression', 'list', 'max', 'min', 'mostRecent', 'sum'].sort(),
  );
  for (const { title, rows } of ASKED) expect(rows.length, title).toBeGreaterThan(1);
});

describe.each(ASKED)('$title', ({ attribute, rows }) => {
  test.each(rows)('as of $asOf it is $value', ({ asOf, value, next }) => {
    const { computed, audiences } = profileAsOf(asOf);
    const entry = computed[attribute];
    expect(entry === undefined ? 'absent' : JSON.stringify(entry.value).replaceAll(',', ', ')).toBe(value);
    expect(entry?.nextChangeAt ?? 'never').toBe(next);
    const { audience } = plan.attributes.find(({ name }) => name === attribute)!;
    if (audience) expect(audiences.includes(attribute)).toBe(value === 'true');
  });
});

test('what changes without an event does so at that millisecond, and not one before', () => {
  const moments = new Set(arrivals().map(({ atMs }) => formatTime(atMs)));
  let changes = 0;
  for (const { attribute, rows } of ASKED) {
    for (const [n, { asOf, value }] of rows.entries()) {
      if (n === 0 || moments.has(asOf) || rows[n - 1]!.value === value) continue;
      const before = profileAsOf(formatTime(parseRfc3339(asOf) - 1)).computed[attribute]?.value;
      if (before === undefined) expect(value, `${attribute} as of ${asOf}`).not.toBe('absent');
      else expect(JSON.stringify(before), `${attribute} as of ${asOf}`).not.toBe(value);
      changes++;
    }
  }
  expect(changes).toBeGreaterThan(10);
});
