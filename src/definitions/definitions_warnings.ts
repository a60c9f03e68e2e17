// What good definitions do not do yet, or not as their author may think. One line each; none of them stops anything.
import type { DefinitionsDocument } from './definitions_document.ts';
import { payloadCheck } from './payload_check.ts';

/** @throws never  Cost: that of compiling its schemas, when they are new to the process */
export function definitionsWarnings({ data }: DefinitionsDocument): string[] {
  const graph = [...data.mergePolicies].filter(([, { stitching }]) => stitching === 'graph').map(([name]) => name);
  const warnings =
    graph.length === 0
      ? []
      : [
          `stitching 'graph' of ${graph.length === 1 ? 'merge policy' : 'merge policies'} ${graph.join(', ')}: this release has no identity graph; ` +
            `reads follow only the identity asked for, and say "stitching": "none"`,
        ];
  for (const [name, { jsonSchema }] of data.schemas) {
    const compiled = payloadCheck(jsonSchema);
    if ('wrong' in compiled)
      warnings.push(
        `payloads of schema ${name} are not checked: an earlier release took its JSON schema, this one cannot (${compiled.wrong})`,
      );
  }
  return warnings;
}
