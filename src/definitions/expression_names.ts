// Which names an expression reads: computed attributes by bare name or under `computed`, and the profile's fields: its identity and
// what records say of it.
// EN1: every unknown name is a mistake at its place. EN2: names bound by a loop or `bind` are none of these.
import { boundName, children, eventPath, type CelNode, type ExpressionMistake } from './cel_node.ts';
import type { EventShape } from './event_shape.ts';
import { didYouMean } from './near_miss.ts';

export type NameUse = { readonly name: string; readonly offset: number; readonly bare: boolean };

export type NamesRead = {
  /** Attributes, in the order of the text, repeated when they are. */
  readonly attributes: readonly NameUse[];
  /** The top fields of `profile.…` that it reads. */
  readonly profile: readonly string[];
  /** Words of the language that it uses: an attribute of such a name cannot be meant. */
  readonly words: readonly NameUse[];
  readonly mistakes: readonly ExpressionMistake[];
};

/** The profile's identity. They are these whatever records say. */
export const PROFILE_FIELDS: readonly string[] = ['namespace', 'id'];
const SHOWN_MAX = 20;
/** Types and packages that CEL has as variables. */
const LANGUAGE = ['bool', 'bytes', 'cel', 'double', 'google', 'int', 'list', 'map', 'optional', 'string', 'type', 'uint'];
const ROOTS = ['computed', 'profile', 'event'];
const NO_EVENTS =
  'an expression reads no events: give what the event says an attribute of its own (a sum, a mostRecent, …) and name that here';

/** Can a bare name in an expression never be an attribute's? */
export function isWord(name: string): boolean {
  return LANGUAGE.includes(name) || ROOTS.includes(name);
}

/** @param attributes all that there are, unless some could not be read (`allKnown`): then any name may be one
 *  @param record what records say of a profile */
export function namesRead(root: CelNode, attributes: ReadonlySet<string>, allKnown: boolean, record: EventShape): NamesRead {
  const found = {
    attributes: [] as NameUse[],
    profile: [] as string[],
    words: [] as NameUse[],
    mistakes: [] as ExpressionMistake[],
  };
  const mistake = (node: CelNode, message: string): void => void found.mistakes.push({ offset: node.pos, message });
  const attribute = (name: string, node: CelNode, bare: boolean): void => {
    if (attributes.has(name)) found.attributes.push({ name, offset: node.start, bare });
    else if (allKnown) {
      const near = name.length > 1 ? didYouMean(name, attributes) : ''; // one letter is near to any other
      mistake(node, `unknown name '${name}'${near}; an expression reads computed attributes and profile.<field>`);
    }
  };
  const visit = (node: CelNode, bound: ReadonlySet<string>): void => {
    const root_ = rootOf(node);
    if (root_ !== undefined && !bound.has(root_)) return member(node, root_);
    if (node.op === 'id') {
      if (bound.has(node.args)) return;
      if (isWord(node.args)) found.words.push({ name: node.args, offset: node.pos, bare: true });
      else attribute(node.args, node, true);
      return;
    }
    if (node.op === 'value' && (typeof node.args === 'boolean' || node.args === null))
      found.words.push({ name: String(node.args), offset: node.pos, bare: true });
    if (node.op === 'call' && node.args[0] === 'has' && node.args[1][0]?.op === 'id' && attributes.has(node.args[1][0].args))
      return mistake(node.args[1][0], `has() asks for a member: write has(computed.${node.args[1][0].args})`);
    const binding = boundName(node);
    if (binding === undefined || node.op !== 'rcall') return void children(node.args).forEach((child) => visit(child, bound));
    const [method, receiver, [, ...rest]] = node.args;
    const inner = new Set([...bound, binding.name]);
    // of `cel.bind(name, value, body)` only the body knows the name; `cel` is no name of ours
    if (method === 'bind') rest.forEach((child, i) => visit(child, i === 0 ? bound : inner));
    else {
      visit(receiver, bound);
      rest.forEach((child) => visit(child, inner));
    }
  };
  const member = (node: CelNode, root_: string): void => {
    if (root_ === 'event') {
      // once says it
      if (!found.mistakes.some(({ message }) => message === NO_EVENTS)) mistake(node, NO_EVENTS);
      return;
    }
    found.words.push({ name: root_, offset: node.start, bare: true });
    const name = memberName(node);
    if (root_ === 'computed') {
      if (name === undefined) mistake(node, `'computed' is followed by the name of an attribute: computed.<name>`);
      else attribute(name, node, false);
      return;
    }
    const fields = [...PROFILE_FIELDS, ...(record.kind === 'object' ? record.fields.keys() : [])];
    if (name !== undefined && (record.kind === 'dyn' || fields.includes(name))) {
      if (!found.profile.includes(name)) found.profile.push(name);
      return;
    }
    const what = name === undefined ? `'profile' is followed by a field` : `the profile has no '${name}' here`;
    const shown = fields.length > SHOWN_MAX ? [...fields.slice(0, SHOWN_MAX), '…'] : fields;
    mistake(node, `${what}${didYouMean(name ?? '', fields)}; known here: ${shown.join(', ')}`);
  };
  visit(root, new Set());
  return found;
}

/** `computed`, `profile` or `event` when the node is a member of it, or that itself. */
function rootOf(node: CelNode): string | undefined {
  if (node.op === 'id') return ROOTS.includes(node.args) ? node.args : undefined;
  if (eventPath(node) !== undefined) return 'event';
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const holder = node.args[0];
  return holder.op === 'id' && ROOTS.includes(holder.args) ? holder.args : undefined;
}

function memberName(node: CelNode): string | undefined {
  if (node.op === '.') return node.args[1];
  if (node.op !== '[]') return undefined;
  const key = node.args[1];
  return key.op === 'value' && typeof key.args === 'string' ? key.args : undefined;
}
