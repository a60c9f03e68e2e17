// What the fold asks of one dataset: how its payloads are checked, where identities stand in them, how long its events are shown.
// DR1: a schema that an earlier release took and this one would refuse checks nothing (definitions_warnings.ts says so): the log that was
//      written under it must still be readable.
import type { DatasetRule } from '../message/admission.ts';
import type { DefinitionsData } from './definitions_document.ts';
import { parsePointer } from './identity_places.ts';
import { payloadCheck } from './payload_check.ts';

/** @param index as in `Plan.datasets`  Cost: some ms for a schema that is new to the process */
export function datasetRule(data: DefinitionsData, name: string, index: number): DatasetRule {
  const { schema, profile, timeToLiveMs } = data.datasets.get(name)!;
  const { behavior, jsonSchema, identities } = data.schemas.get(schema)!;
  const compiled = payloadCheck(jsonSchema);
  return {
    name,
    index,
    profile,
    behavior,
    check: 'check' in compiled ? compiled.check : null,
    identities: identities.map(({ path, namespace }) => ({ path: parsePointer(path)!, namespace })),
    timeToLiveMs,
  };
}
