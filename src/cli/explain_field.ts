// Why a field of the records is what it is, for people: who says what about it, and why the others do not win.
import { identityName } from '../message/identity.ts';
import type { Client } from '../worker/client.ts';
import { table } from './table.ts';

type Either = NonNullable<Awaited<ReturnType<Client['why']>>>;
type FieldExplanation = Exclude<Either, { readonly events: unknown }>;
type Place = Extract<FieldExplanation, { readonly losers: unknown }>;
type ExplainedField = Pick<Place, 'field' | 'value' | 'winner' | 'losers' | 'notTakingPart'>;

export function describeField(explanation: FieldExplanation): string[] {
  const { profile, policy, stitching, rule, version, shard, sequence, time } = explanation;
  const places: readonly ExplainedField[] = 'fields' in explanation ? explanation.fields : [explanation];
  return [
    `${identityName(profile)}  ${explanation.field}`,
    `  version ${version}, shard ${shard}, sequence ${sequence}, ${time}`,
    `  policy ${policy}, ${rule}${stitching === undefined ? '' : '; this identity alone: there is no graph yet'}`,
    ...places.flatMap(placeLines),
    ...('truncated' in explanation ? ['', `the first ${places.length} fields are listed`] : []),
  ];
}

function placeLines({ field, value, winner, losers, notTakingPart }: ExplainedField): string[] {
  const rows = [
    ...(winner === undefined ? [] : [['*', winner.dataset, textOf(winner.value), winner.lastUpdated, winner.sequence, 'wins']]),
    ...losers.map((loser) => ['', loser.dataset, textOf(loser.value), loser.lastUpdated, loser.sequence, loser.why]),
  ];
  return [
    '',
    `${field} ${value === undefined ? 'absent' : textOf(value)}`,
    ...table(['', 'dataset', 'value', 'last updated', 'sequence', ''], rows).slice(rows.length === 0 ? 1 : 0),
    ...(notTakingPart.length === 0 ? [] : [`left out by the policy: ${notTakingPart.join(', ')}`]),
  ];
}

function textOf(value: unknown): string {
  return JSON.stringify(value);
}
