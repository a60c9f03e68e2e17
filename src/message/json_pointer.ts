// Places in a body, as they are named in refusals.

/** A JSON pointer, one key further; long keys are cut. */
export function placeIn(pointer: string, key: string): string {
  return `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1').slice(0, 100)}`;
}
