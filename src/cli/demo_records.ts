// The demo's step about records: two datasets that disagree, the policy that decides and why; one field changed, a profile deleted.
// DR1: what is said here was read from the worker in this run; where it is not what it should be, the demo fails.
import { formatTime } from '../base/time.ts';
import type { Identity } from '../message/identity.ts';
import { sameJson, type Json, type JsonObject } from '../record/json.ts';
import { parsePath } from '../record/leaf_changes.ts';
import { valueAt } from '../base/value_at.ts';
import type { ChangeEvent } from './change_event.ts';
import type { Feed, RecordWrite } from './demo_feed.ts';
import type { DemoRoot } from './demo_root.ts';
import type { Arrival, ChangeWatch } from './demo_watch.ts';
import { describeField } from './explain_field.ts';

const GRACE: Identity = { namespace: 'customerId', id: 'grace' };
const FIRST_NAME = 'person.name.firstName';
const TIER = 'loyalty.tier';
const OTHER_POLICY = 'crmFirst';
const DAY_MS = 86_400_000;
const CHANGE_TIMEOUT_MS = 10_000;

type RecordStage = {
  readonly root: DemoRoot;
  readonly feed: Feed;
  readonly watch: ChangeWatch;
  readonly say: (line: string) => void;
  readonly failures: string[];
};

/** What both datasets say of a person with an order. `nowMs`: what is older than that is given as days before it. */
export async function recordsDisagree(stage: RecordStage, who: Identity, nowMs: number): Promise<void> {
  const { say } = stage;
  // the newer one comes first: what counts is when it was updated, not when it came
  await written(stage, {
    dataset: 'loyalty',
    identity: who,
    operation: 'create',
    record: { person: { name: { firstName: 'Ada' } }, loyalty: { tier: 'silver' } },
    lastUpdatedMs: nowMs - DAY_MS,
  });
  const older = await written(stage, {
    dataset: 'crm',
    identity: who,
    operation: 'create',
    record: { person: { name: { firstName: 'Augusta', lastName: 'Lovelace' } }, homeAddress: { city: 'London' } },
    lastUpdatedMs: nowMs - 2 * DAY_MS,
  });
  const merged = await fields(stage, who, older, undefined);
  say(`3  crm and loyalty disagree about ${who.id}; the one that was updated last decides: ${shown(merged)}`);
  expectField(stage, merged, FIRST_NAME, 'Ada');
  const other = await fields(stage, who, older, OTHER_POLICY);
  say(`   by the policy ${OTHER_POLICY} it is crm: ${shown(other)}`);
  expectField(stage, other, FIRST_NAME, 'Augusta');
  await explained(stage, who, older);
  await oneField(stage, who);
}

async function explained({ root, say, failures }: RecordStage, who: Identity, after: number): Promise<void> {
  const explanation = await root.client.why({ ...who, field: FIRST_NAME, after });
  if (explanation === undefined || 'events' in explanation || !('winner' in explanation)) {
    failures.push(`${FIRST_NAME} of ${who.id} cannot be explained`);
    return;
  }
  say(`   why? npx visage explain ${who.namespace} ${who.id} ${FIRST_NAME}`);
  const [, , policy, ...places] = describeField(explanation);
  for (const line of [policy!.trimStart(), ...places]) if (line !== '') say(`     ${line}`);
  const losers = explanation.losers.map(({ dataset }) => dataset).join();
  if (explanation.winner?.dataset !== 'loyalty' || losers !== 'crm')
    failures.push(
      `${FIRST_NAME} of ${who.id} should come from loyalty before crm, not from ${explanation.winner?.dataset} before ${losers}`,
    );
}

/** A merge of one field: one change. */
async function oneField(stage: RecordStage, who: Identity): Promise<void> {
  const { feed, say, failures } = stage;
  const changed = nextOf(stage, who);
  await feed.write({ dataset: 'loyalty', identity: who, operation: 'merge', record: { loyalty: { tier: 'gold' } } });
  const arrival = await changed;
  if (arrival === undefined) return void failures.push(`no change event came for the merge of ${TIER}`);
  const { changes } = arrival.event.data;
  say(`   one field is merged into loyalty, one change comes of it: ${changes.map(changeText).join(', ')}`);
  const [only] = changes;
  if (changes.length !== 1 || only?.path !== `attributes.${TIER}` || only.before !== 'silver' || only.after !== 'gold')
    failures.push(`the merge of ${TIER} should change it from "silver" to "gold" and nothing else`);
}

/** A profile that is there, deleted, and stays so. `nowMs`: as above */
export async function recordIsDeleted(stage: RecordStage, nowMs: number): Promise<void> {
  const { feed, root, say, failures } = stage;
  const write: RecordWrite = {
    dataset: 'crm',
    identity: GRACE,
    operation: 'create',
    record: { person: { name: { firstName: 'Grace', lastName: 'Hopper' } } },
    lastUpdatedMs: nowMs - DAY_MS,
  };
  await written(stage, write);
  const gone = nextOf(stage, GRACE);
  await feed.deleteProfile(GRACE);
  const arrival = await gone;
  if (arrival === undefined) return void failures.push(`no change event came for the delete of ${GRACE.id}`);
  const { event } = arrival;
  const paths = event.data.changes.filter(({ path }) => path.startsWith('attributes.')).map(changeText);
  const { sequence } = await feed.write({ ...write, isDead: true });
  const view = await root.client.profile({ ...GRACE, after: sequence });
  say(`   ${GRACE.id} is deleted: ${event.type}, ${paths.join(', ')}`);
  say(
    `   her record of ${formatTime(write.lastUpdatedMs!)} comes again (sequence ${sequence}), after the delete: ${view === undefined ? 'it stays dead, there is no profile' : 'she is back'}`,
  );
  if (event.type !== 'visage.profile.deleted' || paths.length !== 2)
    failures.push(`${GRACE.id} was not deleted with both her fields`);
  if (view !== undefined) failures.push(`${GRACE.id} came back after she was deleted`);
}

/** Writes, and waits for what comes of it. @returns the sequence */
async function written(stage: RecordStage, write: RecordWrite): Promise<number> {
  const changed = nextOf(stage, write.identity);
  const { sequence } = await stage.feed.write(write);
  if ((await changed) === undefined) stage.failures.push(`no change event came for the record of ${write.dataset}`);
  return sequence;
}

function nextOf({ watch }: RecordStage, { namespace, id }: Identity): Promise<Arrival | undefined> {
  return watch.next(({ data: { profile } }) => profile.namespace === namespace && profile.id === id, CHANGE_TIMEOUT_MS);
}

type Shown = { readonly policy: string; readonly attributes: JsonObject };

async function fields({ root }: RecordStage, who: Identity, after: number, policy: string | undefined): Promise<Shown> {
  const view = await root.client.profile({ ...who, after, ...(policy === undefined ? {} : { policy }) });
  return { policy: view?.policy ?? 'none', attributes: (view?.attributes ?? {}) as JsonObject };
}

function expectField({ failures }: RecordStage, { policy, attributes }: Shown, field: string, expected: Json): void {
  const value = valueAt(attributes, parsePath(field)!);
  if (!sameJson(value, expected))
    failures.push(`${field} is ${JSON.stringify(value)} by the policy ${policy}, should be ${JSON.stringify(expected)}`);
}

function shown({ attributes }: Shown): string {
  const paths = [FIRST_NAME, 'person.name.lastName', 'homeAddress.city', TIER];
  return paths.map((path) => textOf(valueAt(attributes, parsePath(path)!))).join(' · ');
}

function changeText({ path, before, after }: ChangeEvent['data']['changes'][number]): string {
  return `${path} ${textOf(before)} → ${textOf(after)}`;
}

function textOf(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value);
}
