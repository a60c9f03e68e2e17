// Messages of the change stream, as the commands read them.
import type { LogMessage } from '../message/log_message.ts';
import type { ChainEvent } from '../oracle/chain.ts';

export type ChangeEvent = ChainEvent & {
  readonly time: string;
  readonly data: { readonly cause?: readonly { readonly kind: string }[] };
};

/** The change events of one commit; empty when it says nothing but how far the shard is. */
export function changeEvents(message: LogMessage): readonly ChangeEvent[] {
  return JSON.parse(new TextDecoder().decode(message.body)) as readonly ChangeEvent[];
}

/** The generation of a commit, and where it stands: the first of a generation stands where that begins. */
export function generationOf(message: LogMessage): { readonly generation: number; readonly sequence: number } {
  const headers = message.headers?.() ?? {};
  const sequence = Number((headers['Visage-Position'] ?? '').split('/')[0]);
  return { generation: Number(headers['Visage-Generation'] ?? 1), sequence };
}

/** The sequence of the shard's log up to which everything visible is in the stream with this commit, as far as it says. */
export function committedThrough(message: LogMessage): number {
  const [sequence, ordinal] = (message.headers?.()['Visage-Position'] ?? '').split('/').map(Number);
  if (sequence === undefined || !Number.isSafeInteger(sequence)) return 0;
  return ordinal === -1 ? sequence : sequence - 1; // -1: with all changes of that message
}

/** How much had changed in the shard before the first commit of a stream, which has no change events itself. */
export function changedBefore(message: LogMessage): number {
  return Number(message.headers?.()['Visage-Change-Count'] ?? 0);
}
